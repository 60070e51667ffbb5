// SPDX-License-Identifier: BSD-3-Clause
// A veth pair in a network namespace that the test makes for itself, and frames to send over it.
#pragma once
#include <gtest/gtest.h>

#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include <pollux/core/clock.hpp>
#include <pollux/core/error.hpp>
#include <pollux/net/burst.hpp>

namespace veth {

using Frame = std::string;  // of bytes; prints well and compares whole

// ---- the namespace --------------------------------------------------------------------------------------------------

inline bool ip(const std::string& arguments) {
  return std::system(("ip " + arguments + " >/dev/null 2>&1").c_str()) == 0;  // NOLINT: a fixed command of the test
}

inline bool write_text(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  out << text;
  out.flush();
  return out.good();
}

/// Two interfaces that are each other's cable, up and without a protocol that would talk by itself.
inline bool make_pair(const std::string& a, const std::string& b) {
  return ip("link add " + a + " address 02:00:00:00:00:0a type veth peer name " + b + " address 02:00:00:00:00:0b") &&
         ip("link set " + a + " up") && ip("link set " + b + " up");
}

/// Why the tests cannot run here; empty when they can.
inline std::string enter_namespace() {
  const auto uid = ::getuid();
  const auto gid = ::getgid();
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0) {
      return std::string("no namespace of its own: unshare: ") + std::strerror(errno);  // NOLINT: one thread
    }
    (void)write_text("/proc/self/setgroups", "deny");
    if (!write_text("/proc/self/uid_map", "0 " + std::to_string(uid) + " 1") ||
        !write_text("/proc/self/gid_map", "0 " + std::to_string(gid) + " 1")) {
      return "cannot map the user into a user namespace";
    }
  }
  // A /sys that shows this namespace's interfaces, and nobody else's mounts touched.
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("sysfs", "/sys", "sysfs", 0, nullptr) != 0) {
    return std::string("cannot mount a /sys of its own: ") + std::strerror(errno);  // NOLINT: one thread
  }
  for (const char* which : {"all", "default"}) {
    (void)write_text(std::string("/proc/sys/net/ipv6/conf/") + which + "/disable_ipv6", "1");
  }
  if (!ip("-V")) return "no ip command (package iproute2)";
  if (!make_pair("plxa", "plxb")) return "cannot make a veth pair (kernel without CONFIG_VETH?)";
  return {};
}

// ---- frames ---------------------------------------------------------------------------------------------------------

inline constexpr char kTo[] = "\x02\x00\x00\x00\x00\x0b", kFrom[] = "\x02\x00\x00\x00\x00\x0a";
inline constexpr char kElsewhere[] = "\x02\x00\x00\x00\x00\x77";

inline Frame addresses(const char* to = kTo) { return Frame(to, 6) + Frame(kFrom, 6); }

/// A frame of EtherType 0x88B5 whose bytes depend on `seed` and position.
inline Frame frame(std::size_t length, unsigned seed = 0, const char* to = kTo) {
  Frame out = addresses(to) + "\x88\xB5";
  while (out.size() < length) out += static_cast<char>(out.size() * 7 + out.size() / 256 + seed * 13);
  return out;
}
/// `plain` with `tag` (4 bytes) behind its addresses.
inline Frame tagged(const Frame& plain, const Frame& tag) { return plain.substr(0, 12) + tag + plain.substr(12); }

inline const Frame kTag("\x81\x00\x61\x23", 4), kPriorityTag("\x81\x00\x00\x00", 4), kServiceTag("\x88\xA8\x00\x64", 4);

inline const Frame kMarker = frame(60, 251);

inline testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << part << "' is not in: " << text;
}

/// The error that `action` raises; a test failure and an empty one when it raises none.
template <class Action>
pollux::Error error_of(Action action) {
  try {
    action();
  } catch (const pollux::Error& error) { return error; }
  ADD_FAILURE() << "nothing was raised";
  return pollux::Error(pollux::Failure{});
}

/// Repeats `done` until it is true; gives up (a test failure) after so long that something must be wrong.
inline bool eventually(const std::function<bool()>& done) {
  const pollux::SteadyClock clock;
  for (const auto end = clock.now() + pollux::Nanos{20'000'000'000}; clock.now() < end; ::sched_yield()) {
    if (done()) return true;
  }
  ADD_FAILURE() << "it never happened";
  return false;
}

/// Sends one frame; returns what tx_burst did.
template <class P>
std::uint32_t send(P& port, const Frame& bytes) {
  pollux::Burst<1> burst(port.pool());
  EXPECT_EQ(burst.allocate(1, static_cast<std::uint16_t>(bytes.size())), 1u);
  std::memcpy(burst[0].data, bytes.data(), bytes.size());
  return port.tx_burst(burst);
}

/// What has arrived, until `n` frames have; every buffer is back in the pool afterwards.
template <class P>
std::vector<Frame> receive(P& port, std::size_t n) {
  std::vector<Frame> out;
  pollux::Burst<32> burst(port.pool());
  (void)eventually([&] {
    const std::uint32_t got = port.rx_burst(burst);
    EXPECT_EQ(got, burst.size());
    for (const pollux::Packet& p : burst) out.emplace_back(reinterpret_cast<const char*>(p.data), p.length);
    burst.clear();
    return out.size() >= n;
  });
  return out;
}

inline std::size_t open_descriptors() {
  std::size_t n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++n;
  return n;
}

/// Runs `action` in a child that lacks the capabilities; returns its text.
inline std::string in_child_without(std::vector<unsigned> capabilities, const std::function<std::string()>& action) {
  int ends[2];
  if (::pipe(ends) != 0) return "pipe failed";
  const pid_t child = ::fork();
  if (child == 0) {
    __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    std::array<__user_cap_data_struct, 2> data{};
    std::string text = "capset failed";
    if (::syscall(SYS_capget, &header, data.data()) == 0) {
      for (const unsigned c : capabilities) {
        data[c / 32].effective &= ~(1u << c % 32);
        data[c / 32].permitted &= ~(1u << c % 32);
        data[c / 32].inheritable &= ~(1u << c % 32);
      }
      if (::syscall(SYS_capset, &header, data.data()) == 0) text = action();
    }
    (void)!::write(ends[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  std::string out;
  std::array<char, 1024> chunk{};
  for (ssize_t n = 0; (n = ::read(ends[0], chunk.data(), chunk.size())) > 0;) {
    out.append(chunk.data(), static_cast<std::size_t>(n));
  }
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the child died";
  return out;
}

inline std::string details_of(const std::string& interface) {
  std::string out;
  std::array<char, 512> chunk{};
  FILE* pipe = ::popen(("ip -d link show dev " + interface).c_str(), "r");  // NOLINT: a fixed command of the test
  if (pipe == nullptr) return out;
  while (std::fgets(chunk.data(), static_cast<int>(chunk.size()), pipe) != nullptr) out += chunk.data();
  ::pclose(pipe);
  return out;
}

}  // namespace veth
