// SPDX-License-Identifier: BSD-3-Clause
// Connection: a conversation with a vfio-user server: commands and their replies, and the server's own in between.
#pragma once
#include <sys/un.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/vfio_user_channel.hpp>
#include <pollux/backend/vfio_user_version.hpp>
#include <pollux/core/clock.hpp>
#include <pollux/core/poll.hpp>
#include <pollux/core/unix_address.hpp>

namespace pollux::vfio_user {

/// Memory that a server may ask for by message.
class SharedMemory {
 public:
  SharedMemory() = default;
  SharedMemory(const SharedMemory&) = delete;
  SharedMemory& operator=(const SharedMemory&) = delete;
  virtual ~SharedMemory() = default;
  /// [address, +n); nullptr: not mapped whole. Threads: any.
  [[nodiscard]] virtual std::byte* find(std::uint64_t address, std::size_t n) noexcept = 0;
};

/// As a device writes: the last word after all others and in one store, because a driver that polls it takes it for the
/// end of what was written.
inline void store_as_device(std::byte* to, std::span<const std::byte> from) noexcept {
  const std::size_t n = from.size();
  const auto end = reinterpret_cast<std::uintptr_t>(to) + n;
  const auto last = [&]<class Word>(Word word) {
    std::memcpy(to, from.data(), n - sizeof word);
    std::memcpy(&word, &from[n - sizeof word], sizeof word);
    __atomic_store_n(reinterpret_cast<Word*>(to + n - sizeof word), word, __ATOMIC_RELEASE);
  };
  if (n >= 8 && end % 8 == 0) return last(std::uint64_t{});
  if (n >= 4 && end % 4 == 0) return last(std::uint32_t{});
  std::memcpy(to, from.data(), n);
}

/// Nothing waits longer than the deadline for the server: then, or when it closes the socket or sends what makes no
/// sense, the connection is gone for good, and every call fails at once. Threads: any; one call at a time.
class Connection {
 public:
  using Parts = std::initializer_list<std::span<const std::byte>>;

  /// Connects and agrees on a version. Memory outlives this.
  /// Errors: raises ENOENT, ECONNREFUSED, EACCES (the socket), EPROTO (no vfio-user server, or none of version 0),
  /// ETIMEDOUT.
  Connection(std::string path, SharedMemory& memory, Nanos deadline);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Sends a command and waits for its reply. Errors: the server's errno; why the connection is gone.
  /// Cost: 4 system calls or more.
  [[nodiscard]] Result<Message> try_call(Command command, Parts parts, std::span<const int> fds = {});
  /// A command that is not answered. Returns whether it was sent. Cost: 1 system call.
  bool post(Command command, Parts parts) noexcept;
  /// Does what the server has asked meanwhile; never waits: whoever waits for a reply just now does it too. Returns
  /// whether there was something. Cost: 1 system call.
  bool serve() noexcept;

  [[nodiscard]] bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }
  /// Why it is gone.
  [[nodiscard]] Failure failure() const {
    const std::scoped_lock lock(mutex_);
    return failure_;
  }
  [[nodiscard]] const Capabilities& server() const noexcept { return server_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }
  /// Readable when the server asks for something, or is gone.
  [[nodiscard]] int fd() const noexcept { return channel_.fd(); }
  /// Ends it, as when the server is gone.
  void close(const char* why) noexcept {
    const std::scoped_lock lock(mutex_);
    lose(ECANCELED, why);
  }

 private:
  static constexpr std::size_t kMostBytes = kDefaultMaxTransfer + 64;
  static constexpr std::uint32_t kMaxFds = 8;  ///< that we take

  [[nodiscard]] UniqueFd connect() const;
  void negotiate();
  [[noreturn]] void refuse(int code, std::string where, std::string remedy) const;
  [[nodiscard]] Result<Message> call(Command command, Parts parts, std::span<const int> fds);
  bool send(const Header& header, Parts parts, std::span<const int> fds, Nanos end);
  /// The next message that is not a command; false: the connection is gone.
  bool next_reply(Message& out, Nanos end);
  bool take_in() noexcept;
  void answer(const Message& command) noexcept;
  bool wait(short events, Nanos end) noexcept;
  void lose(int code, std::string why) noexcept;

  std::string path_;
  SharedMemory* memory_;
  Nanos deadline_;
  mutable std::mutex mutex_;
  Channel channel_;
  Capabilities server_;
  Message incoming_;
  std::uint16_t id_ = 0;
  std::atomic<bool> gone_{false};
  Failure failure_;
};

inline UniqueFd Connection::connect() const {
  const sockaddr_un address = try_unix_address(path_).value();
  UniqueFd fd(sys::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  if (!fd) refuse(errno, "socket", {});
  if (sys::connect(fd.get(), generic(address), sizeof address) == 0) return fd;
  const int code = errno;
  std::string remedy;
  if (code == ENOENT) remedy = text::cat("start its server first: pollux-simnic --nic 82599 --socket ", path_);
  if (code == ECONNREFUSED) remedy = "its server has ended, or it is no server's socket; start the server again";
  if (code == EACCES) remedy = text::cat("give this user access to the socket and its directory: ls -l ", path_);
  if (code == EAGAIN) remedy = "too many wait for this server: a device has one client at a time";
  if (code == EPROTOTYPE) remedy = "that is a socket of datagrams, not a vfio-user server's";
  refuse(code, {}, remedy);
}
inline void Connection::refuse(int code, std::string where, std::string remedy) const {
  raise({.code = code,
         .operation = "open the vfio-user device at",
         .object = path_,
         .where = std::move(where),
         .remedy = std::move(remedy)});
}

inline Connection::Connection(std::string path, SharedMemory& memory, Nanos deadline)
    : path_(std::move(path)), memory_(&memory), deadline_(deadline), channel_(connect(), kMostBytes) {
  negotiate();
}
inline void Connection::negotiate() {
  const Version ours;
  const std::string text = Capabilities{.max_fds = kMaxFds}.text();
  auto reply = call(Command::kVersion, {bytes_of(ours), std::as_bytes(std::span(text.c_str(), text.size() + 1))}, {});
  if (!reply) {
    const Failure& why = reply.failure();
    if (why.code == ETIMEDOUT) {
      refuse(ETIMEDOUT, "nobody answered at the socket",
             "another client may hold the device, and it has one at a time; or this is no vfio-user server");
    }
    refuse(why.code, why.where, "is this a vfio-user server, and of version 0?");
  }
  const auto body = std::span<const std::byte>(reply.value().body);
  const auto theirs = load<Version>(body);
  if (body.size() < sizeof theirs) refuse(EPROTO, "its answer to VERSION is too short", "is this a vfio-user server?");
  if (theirs.major != Version::kMajor || theirs.minor > Version::kMinor) {
    refuse(EPROTO, text::cat("it speaks version ", theirs.major, ".", theirs.minor, " of vfio-user"),
           text::cat("this program speaks 0.", Version::kMinor));
  }
  const auto can = Capabilities::parse(body.subspan(sizeof theirs));
  if (!can) refuse(EPROTO, "what it says of itself is no JSON, or makes no sense", "is this a vfio-user server?");
  server_ = *can;
}

// ---- Commands and replies -----------------------------------------------------------------------------------------

inline Result<Message> Connection::try_call(Command command, Parts parts, std::span<const int> fds) {
  const std::scoped_lock lock(mutex_);
  return call(command, parts, fds);
}
inline Result<Message> Connection::call(Command command, Parts parts, std::span<const int> fds) {
  const Nanos end = SteadyClock{}.now() + deadline_;
  const Header header{.id = ++id_, .command = static_cast<std::uint16_t>(command)};
  if (gone() || !send(header, parts, fds, end)) return failure_;
  Message reply;
  if (!next_reply(reply, end)) return failure_;
  if (reply.header.id != header.id || !reply.header.is(command)) {
    lose(EPROTO, "the server answered what nobody asked");
    return failure_;
  }
  if ((reply.header.flags & Header::kError) == 0) return reply;
  return Failure{.code = reply.header.error == 0 ? EIO : static_cast<int>(reply.header.error),
                 .operation = "use the vfio-user device at",
                 .object = path_,
                 .where = text::cat("the server refused ", name_of(command)),
                 .remedy = {}};
}
inline bool Connection::post(Command command, Parts parts) noexcept {
  const std::scoped_lock lock(mutex_);
  if (gone()) return false;
  const Header header{.id = ++id_, .command = static_cast<std::uint16_t>(command), .flags = Header::kNoReply};
  return send(header, parts, {}, SteadyClock{}.now() + deadline_);
}
inline bool Connection::serve() noexcept {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  bool any = false;
  while (lock && !gone() && take_in()) {
    any = true;
    if (incoming_.header.is_reply()) {
      lose(EPROTO, "the server answered what nobody asked");
    } else {
      answer(incoming_);
    }
  }
  return any;
}

/// All of it goes, so that a server which waits for a command is not kept from it by what lies here.
inline bool Connection::send(const Header& header, Parts parts, std::span<const int> fds, Nanos end) {
  while (!channel_.send(header, parts, fds)) {
    if (errno != EAGAIN) return lose(errno, "the server closed the connection"), false;
    if (!wait(POLLOUT, end)) return false;
  }
  while (channel_.waiting() != 0) {
    if (!channel_.flush()) return lose(errno, "the server closed the connection"), false;
    if (channel_.waiting() != 0 && !wait(POLLOUT, end)) return false;
  }
  return true;
}
inline bool Connection::next_reply(Message& out, Nanos end) {
  for (;;) {
    if (take_in()) {
      if (!incoming_.header.is_reply()) {
        answer(incoming_);
        if (gone()) return false;
        if (SteadyClock{}.now() < end) continue;  // a server that only asks does not keep us for ever
        return lose(ETIMEDOUT, "the server did not answer"), false;
      }
      std::swap(out, incoming_);
      return true;
    }
    if (gone() || !wait(POLLIN, end)) return false;
  }
}
/// A message, if one is there whole; whether it is gone shows otherwise.
inline bool Connection::take_in() noexcept {
  switch (channel_.receive(incoming_)) {
    case Channel::Event::kMessage:
      return true;
    case Channel::Event::kNothing:
      return false;
    case Channel::Event::kClosed:
      return lose(ECONNRESET, "the server closed the connection"), false;
    case Channel::Event::kBroken:
      break;
  }
  return lose(EPROTO, "the server sent what is no message of vfio-user, or one that is too long"), false;
}
/// What stands in the way is flushed too, so that two who both wait to send do not wait for each other.
inline bool Connection::wait(short events, Nanos end) noexcept {
  const Nanos left = end - SteadyClock{}.now();
  if (left <= Nanos{}) return lose(ETIMEDOUT, "the server did not answer"), false;
  pollfd one{.fd = channel_.fd(), .events = events, .revents = 0};
  if (channel_.waiting() != 0) one.events |= POLLOUT;
  (void)sys::poll_for(&one, 1, left.count);
  if (channel_.waiting() != 0 && !channel_.flush()) return lose(errno, "the server closed the connection"), false;
  return true;
}
inline void Connection::lose(int code, std::string why) noexcept {
  if (gone()) return;
  failure_ = {.code = code,
              .operation = "reach the vfio-user server at",
              .object = path_,
              .where = std::move(why),
              .remedy = "start it again if it has ended, and open the device anew"};
  gone_.store(true, std::memory_order_release);
  channel_.close();
}

// ---- What the server asks -----------------------------------------------------------------------------------------

inline void Connection::answer(const Message& command) noexcept {
  Header header{.id = command.header.id, .command = command.header.command, .flags = Header::kReply};
  const auto body = std::span<const std::byte>(command.body);
  const auto transfer = load<DmaTransfer>(body);
  const bool reads = command.header.is(Command::kDmaRead), writes = command.header.is(Command::kDmaWrite);
  const std::size_t data = body.size() < sizeof transfer ? 0 : body.size() - sizeof transfer;
  std::uint32_t error = reads || writes ? 0 : ENOTSUP;
  if (error == 0 && (body.size() < sizeof transfer || transfer.count == 0 || transfer.count > kDefaultMaxTransfer ||
                     (writes && data < transfer.count))) {
    error = EINVAL;
  }
  std::byte* const memory = error == 0 ? memory_->find(transfer.address, transfer.count) : nullptr;
  if (error == 0 && memory == nullptr) error = ENODEV;
  if (error == 0 && writes) store_as_device(memory, body.subspan(sizeof transfer, transfer.count));
  if ((command.header.flags & Header::kNoReply) != 0) return;
  const Nanos end = SteadyClock{}.now() + deadline_;
  if (error != 0) {
    header.flags |= Header::kError;
    header.error = error;
    (void)send(header, {}, {}, end);
  } else if (reads) {
    (void)send(header, {bytes_of(transfer), {memory, transfer.count}}, {}, end);
  } else {
    (void)send(header, {bytes_of(transfer)}, {}, end);
  }
}

}  // namespace pollux::vfio_user
