// SPDX-License-Identifier: BSD-3-Clause
// Channel: whole vfio-user messages over a stream socket, which delivers them in pieces.
#pragma once
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/vfio_user_abi.hpp>
#include <pollux/core/socket.hpp>
#include <pollux/core/unique_fd.hpp>

namespace pollux::vfio_user {

struct Message {
  Header header;
  std::vector<std::byte> body;
  std::vector<UniqueFd> fds;
  bool fds_lost = false;  ///< more came than the process could take
};

/// Non-blocking both ways. What the socket does not take at once waits here, in order. Threads: one at a time.
class Channel {
 public:
  enum class Event : std::uint8_t {
    kMessage,
    kNothing,  ///< now; the socket's readability tells of more
    kClosed,   ///< the other side closed it, between messages or within one
    kBroken,   ///< what came is no message; nothing after it can be understood
  };
  static constexpr unsigned kMostFds = 64;  ///< kept of one message; the rest is closed

  Channel() = default;
  /// `most_bytes`: of a message that is taken in. Pre: the socket is a stream of AF_UNIX.
  Channel(UniqueFd socket, std::size_t most_bytes) : socket_(std::move(socket)), most_bytes_(most_bytes) {}

  [[nodiscard]] int fd() const noexcept { return socket_.get(); }
  explicit operator bool() const noexcept { return bool{socket_}; }
  void close() noexcept { *this = Channel(); }

  /// The next message, as far as it has come. Cost: 2 system calls a message.
  [[nodiscard]] Event receive(Message& out);
  /// Sends a header with its size filled in, and what follows it; `fds` go with it.
  /// Returns false when the other side is gone, or, with EAGAIN, when there is no room for descriptors now.
  /// Pre: at most 3 parts; with fds, nothing waits.
  bool send(Header header, std::initializer_list<std::span<const std::byte>> parts, std::span<const int> fds = {});
  /// Sends what waits, as far as it goes. Returns false when the other side is gone.
  bool flush() noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept { return queue_.size() - sent_; }  ///< to be sent [bytes]

 private:
  [[nodiscard]] Event fill(std::byte* to, std::size_t bytes, std::vector<UniqueFd>* fds);
  void take_fds(msghdr& message, std::vector<UniqueFd>& fds);

  UniqueFd socket_;
  std::size_t most_bytes_ = 0;
  Message incoming_;
  std::array<std::byte, sizeof(Header)> head_{};
  std::size_t have_ = 0;  ///< of head_ or of the body [bytes]
  bool in_body_ = false;
  std::vector<std::byte> queue_;
  std::size_t sent_ = 0;  ///< of the queue [bytes]
};

inline void Channel::take_fds(msghdr& message, std::vector<UniqueFd>& fds) {
  if ((message.msg_flags & MSG_CTRUNC) != 0) incoming_.fds_lost = true;
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < n; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
      UniqueFd owned(fd);
      if (fds.size() < kMostFds) {
        fds.push_back(std::move(owned));
      } else {
        incoming_.fds_lost = true;
      }
    }
  }
}

/// Reads up to `bytes` more. Descriptors are taken where the caller wants them; elsewhere the kernel closes them.
inline Channel::Event Channel::fill(std::byte* to, std::size_t bytes, std::vector<UniqueFd>* fds) {
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMostFds * sizeof(int))> control;
  iovec io{.iov_base = to, .iov_len = bytes};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  if (fds != nullptr) {
    message.msg_control = control.data();
    message.msg_controllen = control.size();
  }
  const ssize_t n = sys::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) return errno == EAGAIN || errno == EINTR ? Event::kNothing : Event::kClosed;
  if (fds != nullptr) take_fds(message, *fds);
  if (n == 0) return Event::kClosed;
  have_ += static_cast<std::size_t>(n);
  return Event::kMessage;
}

inline Channel::Event Channel::receive(Message& out) {
  // Never more than this message in one call: descriptors of the next one would come with this one.
  while (!in_body_) {
    if (const Event e = fill(&head_[have_], head_.size() - have_, &incoming_.fds); e != Event::kMessage) return e;
    if (have_ < head_.size()) continue;
    incoming_.header = load<Header>(head_);
    if (incoming_.header.size < sizeof(Header) || incoming_.header.size > most_bytes_) return Event::kBroken;
    incoming_.body.resize(incoming_.header.size - sizeof(Header));
    in_body_ = true;
    have_ = 0;
  }
  while (have_ < incoming_.body.size()) {
    const Event e = fill(&incoming_.body[have_], incoming_.body.size() - have_, nullptr);
    if (e != Event::kMessage) return e;
  }
  std::swap(out, incoming_);  // keeps the other one's memory for the next message
  incoming_.fds.clear();
  incoming_.fds_lost = false;
  in_body_ = false;
  have_ = 0;
  return Event::kMessage;
}

inline bool Channel::send(Header header, std::initializer_list<std::span<const std::byte>> parts,
                          std::span<const int> fds) {
  constexpr std::size_t kMostParts = 4;
  std::array<iovec, kMostParts> io{};
  std::size_t count = 1, total = sizeof header;
  for (const auto& part : parts) {
    if (part.empty()) continue;
    io[count++] = {.iov_base = const_cast<std::byte*>(part.data()), .iov_len = part.size()};
    total += part.size();
  }
  header.size = static_cast<std::uint32_t>(total);
  io[0] = {.iov_base = &header, .iov_len = sizeof header};
  std::size_t done = 0;
  if (waiting() == 0) {
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMostFds * sizeof(int))> control{};
    msghdr message{};
    message.msg_iov = io.data();
    message.msg_iovlen = count;
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(fds.size_bytes());
      cmsghdr* const c = CMSG_FIRSTHDR(&message);
      c->cmsg_level = SOL_SOCKET;
      c->cmsg_type = SCM_RIGHTS;
      c->cmsg_len = CMSG_LEN(fds.size_bytes());
      std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
    }
    ssize_t n;
    do { n = sys::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT); } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno != EAGAIN || !fds.empty())) return false;  // descriptors cannot wait
    if (n > 0) done = static_cast<std::size_t>(n);
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t skip = done < io[i].iov_len ? done : io[i].iov_len;
    done -= skip;
    const auto* from = static_cast<const std::byte*>(io[i].iov_base);
    queue_.insert(queue_.end(), from + skip, from + io[i].iov_len);
  }
  return true;
}

inline bool Channel::flush() noexcept {
  while (waiting() != 0) {
    const ssize_t n = sys::send(socket_.get(), &queue_[sent_], waiting(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(std::exchange(sent_, 0)));
      return true;
    }
    if (n < 0) return false;
    sent_ += static_cast<std::size_t>(n);
  }
  queue_.clear();
  sent_ = 0;
  return true;
}

}  // namespace pollux::vfio_user
