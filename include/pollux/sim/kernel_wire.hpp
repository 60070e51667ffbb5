// SPDX-License-Identifier: BSD-3-Clause
// Wires that end outside the program: TapWire at a TAP interface of the kernel, DatagramWire at a UNIX socket of
// datagrams, as QEMU's `-netdev dgram` has one.
#pragma once
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/poll.hpp>
#include <pollux/sim/socket_file.hpp>
#include <pollux/sim/wire.hpp>

namespace pollux::sim {

/// A WireEnd over a non-blocking descriptor that gives and takes a frame a call. Threads: one.
class DescriptorWire : public WireEnd {
 public:
  /// Frames that nobody took: the interface is down, no peer is there.
  [[nodiscard]] std::uint64_t lost() const noexcept { return lost_; }
  /// Readable when a frame has arrived.
  [[nodiscard]] virtual int fd() const noexcept = 0;

  bool transmit(std::span<const std::byte> frame) noexcept final {
    const ssize_t n = send(frame);
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)) return false;
    if (n < 0) ++lost_;
    return true;
  }
  [[nodiscard]] std::span<const std::byte> front() noexcept final {
    if (length_ == 0) {
      const ssize_t n = receive(buffer_);
      length_ = n <= 0 || static_cast<std::size_t>(n) > buffer_.size() ? 0 : static_cast<std::size_t>(n);
      if (length_ != 0 && length_ < kLeastBytes) {
        std::memset(&buffer_[length_], 0, kLeastBytes - length_);
        length_ = kLeastBytes;
      }
    }
    return {buffer_.data(), length_};
  }
  void consume() noexcept final { length_ = 0; }
  [[nodiscard]] bool link() const noexcept final { return true; }

 protected:
  DescriptorWire() : buffer_(kMostBytes) {}
  virtual ssize_t send(std::span<const std::byte> frame) noexcept = 0;
  virtual ssize_t receive(std::span<std::byte> to) noexcept = 0;

 private:
  static constexpr std::size_t kMostBytes = 65536;
  static constexpr std::size_t kLeastBytes = 60;  ///< kernels hand frames over before they are padded; wires do not
  std::vector<std::byte> buffer_;
  std::size_t length_ = 0;  ///< of the frame in it; 0: there is none
  std::uint64_t lost_ = 0;
};

/// A TAP interface: what the NIC sends the kernel receives there, and the other way round. The interface is made when
/// it is not there, and goes with the wire then; one that `ip tuntap add` made stays.
class TapWire final : public DescriptorWire {
 public:
  /// Errors: raises EPERM with the command that gives a user an interface of his own, EBUSY, ENOENT (no TUN module).
  explicit TapWire(std::string name, const std::string& node = "/dev/net/tun") : name_(std::move(name)) {
    if (name_.empty() || name_.size() >= IFNAMSIZ) {
      refuse(EINVAL, {}, text::cat("the name of an interface has 1 to ", IFNAMSIZ - 1, " characters"));
    }
    fd_.reset(sys::open(node.c_str(), O_RDWR | O_NONBLOCK));
    if (!fd_) refuse(errno, node, errno == ENOENT ? "as root: modprobe tun" : text::cat("as root: chmod 666 ", node));
    ifreq request{};
    std::memcpy(request.ifr_name, name_.data(), name_.size());
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    if (sys::ioctl(fd_.get(), TUNSETIFF, &request) == 0) return;
    std::string remedy;
    if (errno == EPERM) {
      remedy = text::cat("as root, once: ip tuntap add ", name_, " mode tap user USER && ip link set ", name_, " up");
    }
    if (errno == EBUSY) remedy = "another program has it, or it is not of one queue";
    if (errno == EINVAL) remedy = "that interface is no TAP";
    refuse(errno, "TUNSETIFF", remedy);
  }
  [[nodiscard]] int fd() const noexcept override { return fd_.get(); }

 private:
  [[noreturn]] void refuse(int code, std::string where, std::string remedy) const {
    raise({.code = code,
           .operation = "use the TAP interface",
           .object = name_,
           .where = std::move(where),
           .remedy = std::move(remedy)});
  }
  ssize_t send(std::span<const std::byte> frame) noexcept override {
    return sys::write(fd_.get(), frame.data(), frame.size());
  }
  ssize_t receive(std::span<std::byte> to) noexcept override { return sys::read(fd_.get(), to.data(), to.size()); }

  std::string name_;
  UniqueFd fd_;
};

/// Datagrams of one frame each, between a socket here and a peer's. Without a peer's path it is whoever sent last.
class DatagramWire final : public DescriptorWire {
 public:
  /// Errors: raises as SocketFile.
  explicit DatagramWire(std::string path, const std::string& peer = {}) : socket_(std::move(path), SOCK_DGRAM) {
    if (peer.empty()) return;
    peer_ = try_unix_address(peer).value();
    peer_bytes_ = sizeof peer_;
    learns_ = false;
  }
  [[nodiscard]] int fd() const noexcept override { return socket_.fd(); }

 private:
  ssize_t send(std::span<const std::byte> frame) noexcept override {
    if (peer_bytes_ == 0) return errno = ENOTCONN, -1;
    iovec io{.iov_base = const_cast<std::byte*>(frame.data()), .iov_len = frame.size()};
    msghdr message{};
    message.msg_name = &peer_;
    message.msg_namelen = peer_bytes_;
    message.msg_iov = &io;
    message.msg_iovlen = 1;
    return sys::sendmsg(socket_.fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  ssize_t receive(std::span<std::byte> to) noexcept override {
    iovec io{.iov_base = to.data(), .iov_len = to.size()};
    sockaddr_un from{};
    msghdr message{};
    message.msg_name = &from;
    message.msg_namelen = sizeof from;
    message.msg_iov = &io;
    message.msg_iovlen = 1;
    const ssize_t n = sys::recvmsg(socket_.fd(), &message, MSG_DONTWAIT | MSG_TRUNC);
    if (n >= 0 && learns_ && message.msg_namelen > sizeof from.sun_family) {
      peer_ = from;
      peer_bytes_ = message.msg_namelen;
    }
    return n;
  }

  SocketFile socket_;
  sockaddr_un peer_{};
  socklen_t peer_bytes_ = 0;
  bool learns_ = true;
};

}  // namespace pollux::sim
