// SPDX-License-Identifier: BSD-3-Clause
// KernelInterface: a network interface of the kernel's as its ports see it: index, address, link, promiscuity.
#pragma once
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>

#include <cstring>
#include <string>
#include <utility>

#include <pollux/core/clock.hpp>
#include <pollux/core/error.hpp>
#include <pollux/core/socket.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/net/link.hpp>
#include <pollux/net/mac.hpp>

namespace pollux {

/// Holds one raw PF_PACKET socket: what the interface is asked through, and what a PacketPort sends and receives
/// through once it is bound. Until then nothing arrives at it. What the socket has set up (promiscuity) ends with it.
/// Threads: one at a time.
class KernelInterface {
 public:
  /// `name` is the port's, for messages. Errors: raises when there is no such interface, or the right to raw sockets is
  /// missing.
  KernelInterface(std::string interface, std::string name);

  /// Raises with what the socket or interface was asked for. `value` is any plain object.
  template <class Value>
  void set_option(int level, int option, const Value& value, const char* what) {
    if (sys::setsockopt(socket_.get(), level, option, &value, sizeof value) != 0) raise(failure("set up", what));
  }
  /// Frames of every protocol arrive at the socket from now on.
  void bind_to_all_protocols();
  void become_promiscuous();
  /// Errors: raises when the interface is down, or has no carrier for as long as `deadline`; 0: carrier is not waited
  /// for.
  void require_running(Nanos deadline);

  /// Cost: 2 system calls. Speed and duplex are what the driver says; unknown where it says nothing.
  [[nodiscard]] LinkState link() const;
  /// Largest payload [bytes, without Ethernet header]; 0 when the interface is gone. Cost: 1 system call.
  [[nodiscard]] std::uint32_t mtu() const;

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  [[nodiscard]] unsigned index() const noexcept { return index_; }
  [[nodiscard]] MacAddress mac() const noexcept { return mac_; }
  [[nodiscard]] const std::string& interface() const noexcept { return interface_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  /// Of the call that just failed.
  [[nodiscard]] Failure failure(const char* operation, std::string where, std::string remedy = {}) const {
    return {
        .code = errno, .operation = operation, .object = name_, .where = std::move(where), .remedy = std::move(remedy)};
  }

 private:
  [[nodiscard]] ifreq request() const {
    ifreq out{};
    std::memcpy(out.ifr_name, interface_.c_str(), interface_.size() + 1);
    return out;
  }
  [[nodiscard]] bool running() const {
    ifreq about = request();
    return sys::ioctl(socket_.get(), SIOCGIFFLAGS, &about) == 0 && (about.ifr_flags & IFF_RUNNING) != 0;
  }

  std::string interface_;
  std::string name_;
  unsigned index_;
  UniqueFd socket_;
  MacAddress mac_;
};

inline KernelInterface::KernelInterface(std::string interface, std::string name)
    : interface_(std::move(interface)),
      name_(std::move(name)),
      index_(interface_.size() < IFNAMSIZ ? ::if_nametoindex(interface_.c_str()) : 0) {
  if (index_ == 0) {
    errno = ENODEV;
    raise(failure("open", "no such network interface", "list the interfaces there are: ip -brief link"));
  }
  // No protocol yet: nothing is received before the socket is bound to its interface.
  socket_.reset(sys::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0));
  if (!socket_) {
    raise(failure("open", "socket(AF_PACKET, SOCK_RAW)",
                  errno == EPERM ? "raw sockets need CAP_NET_RAW: run as root, or setcap cap_net_raw+ep PROGRAM" : ""));
  }
  ifreq about = request();
  if (sys::ioctl(socket_.get(), SIOCGIFHWADDR, &about) != 0) raise(failure("query", "SIOCGIFHWADDR"));
  std::memcpy(mac_.bytes.data(), about.ifr_hwaddr.sa_data, mac_.bytes.size());
}

inline void KernelInterface::bind_to_all_protocols() {
  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(0x0003);  // ETH_P_ALL; <linux/if_ether.h> fights <netinet/if_ether.h> in user programs
  address.sll_ifindex = static_cast<int>(index_);
  if (sys::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    raise(failure("bind to", "ETH_P_ALL"));
  }
}

inline void KernelInterface::become_promiscuous() {
  packet_mreq membership{};
  membership.mr_ifindex = static_cast<int>(index_);
  membership.mr_type = PACKET_MR_PROMISC;
  set_option(SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership, "PACKET_MR_PROMISC");
}

inline void KernelInterface::require_running(Nanos deadline) {
  ifreq about = request();
  if (sys::ioctl(socket_.get(), SIOCGIFFLAGS, &about) != 0) raise(failure("query", "SIOCGIFFLAGS"));
  if ((about.ifr_flags & IFF_UP) == 0) {
    errno = ENETDOWN;
    raise(failure("use", "the interface is down", text::cat("ip link set ", interface_, " up")));
  }
  const SteadyClock clock;
  for (const Nanos end = clock.now() + deadline; deadline > 0_ns && !running(); clock.pause(10_ms)) {
    if (clock.now() < end) continue;
    errno = ETIMEDOUT;
    raise(failure("use", "the interface has no carrier", "check the cable and the link partner"));
  }
}

inline LinkState KernelInterface::link() const {
  if (!running()) return {};
  LinkState out{.up = true, .full_duplex = true, .speed_mbps = 0};
  ethtool_cmd command{};
  command.cmd = ETHTOOL_GSET;
  ifreq about = request();
  about.ifr_data = reinterpret_cast<char*>(&command);
  if (sys::ioctl(socket_.get(), SIOCETHTOOL, &about) == 0) {
    const std::uint32_t mbps = ethtool_cmd_speed(&command);
    if (mbps != static_cast<std::uint32_t>(SPEED_UNKNOWN)) out.speed_mbps = mbps;
    out.full_duplex = command.duplex != DUPLEX_HALF;
  }
  return out;
}

inline std::uint32_t KernelInterface::mtu() const {
  ifreq about = request();
  return sys::ioctl(socket_.get(), SIOCGIFMTU, &about) == 0 ? static_cast<std::uint32_t>(about.ifr_mtu) : 0;
}

}  // namespace pollux
