// SPDX-License-Identifier: BSD-3-Clause
// A veth pair in a network namespace of this process's own, so that PF_PACKET can be measured on any machine.
#pragma once
#include <fcntl.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include <fmt/format.h>

#include <pollux/core/file.hpp>

namespace bench {

/// The pair's names: pollux-a and pollux-b, up, joined, with nothing else on them.
class PrivateNetwork {
 public:
  static constexpr const char* kPort = "packet:pollux-a";
  static constexpr const char* kPeer = "packet:pollux-b";

  /// Moves the process into a network namespace of its own (and a user namespace, when it is not root) and makes the
  /// pair there; it goes with the process. Returns why not; empty: done. Pre: one thread.
  static std::string enter() {
    const auto uid = ::getuid(), gid = ::getgid();
    if (::unshare(uid == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET) != 0) {
      return fmt::format("no network namespace here: unshare: {}", std::strerror(errno));  // NOLINT: one thread
    }
    if (uid != 0) {  // become root in there, as unshare --map-root-user does
      put("/proc/self/setgroups", "deny");
      put("/proc/self/uid_map", fmt::format("0 {} 1", uid));
      put("/proc/self/gid_map", fmt::format("0 {} 1", gid));
    }
    if (!ip("link add pollux-a type veth peer name pollux-b")) return "no veth pair: is iproute2 installed?";
    for (const char* interface : {"all", "default", "pollux-a", "pollux-b"}) {  // no neighbour discovery on the wire
      put(fmt::format("/proc/sys/net/ipv6/conf/{}/disable_ipv6", interface), "1");
    }
    if (!ip("link set pollux-a up") || !ip("link set pollux-b up")) return "the veth pair does not come up";
    return {};
  }

 private:
  static void put(const std::string& path, const std::string& text) { (void)pollux::file::try_write(path, text); }
  static bool ip(const std::string& arguments) {
    const std::string command = "PATH=$PATH:/usr/sbin:/sbin ip " + arguments + " 2> /dev/null";
    return std::system(command.c_str()) == 0;  // NOLINT: our own words, before any thread is started
  }
};

}  // namespace bench
