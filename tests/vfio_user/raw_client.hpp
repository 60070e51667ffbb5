// SPDX-License-Identifier: BSD-3-Clause
// What the tests of vfio-user stand on: a device that copies memory, a client that sends whatever it is told, and
// counts of what a process holds open.
#pragma once
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <pollux/backend/vfio_user_channel.hpp>
#include <pollux/core/poll.hpp>
#include <pollux/sim/nic.hpp>

namespace vu {

using namespace pollux;
using namespace pollux::vfio_user;

using Bytes = std::vector<std::byte>;

// ---- A device -----------------------------------------------------------------------------------------------------

/// Copies LEN bytes from SRC to DST when GO is written, then sends vector 0 of whatever kind is on.
class Copier final : public sim::NicModel {
 public:
  static constexpr std::uint32_t kSrc = 0x00, kDst = 0x08, kLen = 0x10, kGo = 0x14, kDone = 0x18, kLine = 0x1C;
  static constexpr std::uint32_t kMsi = 0x50, kMsix = 0x70, kVectors = 4;
  static constexpr sim::RegSpec kSpecs[] = {{"SRC", sim::Mode::kRW, kSrc, 2}, {"DST", sim::Mode::kRW, kDst, 2},
                                            {"LEN", sim::Mode::kRW, kLen},    {"GO", sim::Mode::kWO, kGo},
                                            {"DONE", sim::Mode::kRC, kDone},  {"LINE", sim::Mode::kRW, kLine}};

  Copier(sim::Iommu& iommu, sim::WireEnd& wire, sim::FaultLog& faults)
      : NicModel({.name = "copier", .id = {.vendor = 0x1234, .device = 0xC0DE}}, 0x1000, kSpecs, iommu, wire, faults) {
    set_up_config();
  }

 private:
  void set_up_config() {
    config() = sim::ConfigMemory(identity().id);
    config().add_memory_bar(0, 0x1000, true);
    config().add_memory_bar(2, 0x1000, false);
    config().add_capability<10>(0x11, kMsix, {kVectors - 1, 0, 2, 0, 0, 0, 2, 8, 0, 0});
    config().allow16(kMsix + 2, 0xC000);
    config().add_capability<12>(0x05, kMsi, {0x80, 0});
    config().allow16(kMsi + 2, 0x0071);
  }
  void after_write(std::uint32_t offset, std::uint32_t, std::uint32_t value) noexcept override {
    if (offset == kGo) going_ = true;
    if (offset == kLine) interrupts().set_line(value != 0);
    (void)work();
  }
  bool work() noexcept override {
    if (!going_) return false;
    const std::uint64_t src = pair(kSrc), dst = pair(kDst);
    const std::size_t n = registers().peek(kLen);
    if (awaits(src, n)) return false;
    going_ = false;
    const std::byte* from = fetch(src, n, "SRC");
    if (from != nullptr) (void)store(dst, {from, n}, "DST");
    release_fetched(src, n);
    registers().add(kDone, 1);
    interrupts().message(0);
    return true;
  }
  void reset_device() noexcept override {
    registers().reset();
    set_up_config();
    going_ = false;
    interrupts().set_line(false);
  }
  std::uint64_t pair(std::uint32_t at) noexcept {
    return registers().peek(at) | std::uint64_t{registers().peek(at + 4)} << 32;
  }
  bool going_ = false;
};

// ---- A client -----------------------------------------------------------------------------------------------------

template <class... T>
Bytes body_of(const T&... parts) {
  Bytes out;
  const auto add = [&](std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
  (add(bytes_of(parts)), ...);
  return out;
}
inline Bytes operator+(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

class RawClient {
 public:
  /// `turn`: lets the server work; called while there is nothing to read.
  RawClient(const std::string& path, std::function<void()> turn) : turn_(std::move(turn)) {
    UniqueFd fd(sys::socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un address = try_unix_address(path).value();
    if (sys::connect(fd.get(), generic(address), sizeof address) != 0) std::abort();
    channel_ = Channel(std::move(fd), 64 << 20);
  }

  std::uint16_t post(Command command, const Bytes& body, std::span<const int> fds = {}, std::uint32_t flags = 0) {
    const Header header{.id = ++id_, .command = static_cast<std::uint16_t>(command), .flags = flags};
    alive_ = channel_.send(header, {body}, fds) && alive_;
    return id_;
  }
  void reply(const Header& to, const Bytes& body, std::uint32_t error = 0) {
    Header header{.id = to.id, .command = to.command, .flags = Header::kReply, .error = error};
    if (error != 0) header.flags |= Header::kError;
    (void)channel_.send(header, {body});
  }
  /// The next message; nothing: the server closed the connection, or `turns` passed without one.
  std::optional<Message> next(int turns = 100) {
    Message message;
    for (int i = 0; i < turns; ++i) {
      (void)channel_.flush();
      switch (channel_.receive(message)) {
        case Channel::Event::kMessage:
          return std::optional<Message>(std::move(message));
        case Channel::Event::kNothing:
          turn_();
          break;
        default:
          alive_ = false;
          return std::nullopt;
      }
    }
    return std::nullopt;
  }
  /// Its reply. Others that come before it are kept in `others`.
  Message call(Command command, const Bytes& body, std::span<const int> fds = {}) {
    const std::uint16_t id = post(command, body, fds);
    while (auto message = next()) {
      if (message->header.is_reply() && message->header.id == id) return std::move(*message);
      others.push_back(std::move(*message));
    }
    Message none;
    none.header.error = ECONNRESET;
    return none;
  }
  std::uint32_t error_of(Command command, const Bytes& body, std::span<const int> fds = {}) {
    return call(command, body, fds).header.error;
  }
  bool hello(const std::string& json = R"({"capabilities":{"max_msg_fds":8}})", Version version = {}) {
    const char* text = json.c_str();
    const auto* begin = reinterpret_cast<const std::byte*>(text);
    return call(Command::kVersion, body_of(version) + Bytes(begin, begin + json.size() + 1)).header.error == 0;
  }
  [[nodiscard]] int fd() const { return channel_.fd(); }
  [[nodiscard]] bool alive() const { return alive_; }

  // Shorthands.
  std::uint64_t read(std::uint32_t region, std::uint64_t offset, std::uint32_t width) {
    const Message m = call(Command::kRegionRead, body_of(RegionAccess{offset, region, width}));
    std::uint64_t v = 0;
    if (m.body.size() == sizeof(RegionAccess) + width && width <= 8)
      std::memcpy(&v, &m.body[sizeof(RegionAccess)], width);
    return m.header.error != 0 ? ~std::uint64_t{0} - m.header.error : v;
  }
  void write(std::uint32_t region, std::uint64_t offset, std::uint64_t value, std::uint32_t width) {
    Bytes data(width);
    std::memcpy(data.data(), &value, width);
    (void)post(Command::kRegionWrite, body_of(RegionAccess{offset, region, width}) + data, {}, Header::kNoReply);
  }
  std::uint32_t map(std::uint64_t address, std::uint64_t size, int fd = -1, std::uint64_t offset = 0,
                    std::uint32_t flags = 3) {
    const DmaMap map{.argsz = sizeof map, .flags = flags, .offset = offset, .address = address, .size = size};
    return error_of(Command::kDmaMap, body_of(map), fd < 0 ? std::span<const int>{} : std::span<const int>(&fd, 1));
  }
  std::uint32_t unmap(std::uint64_t address, std::uint64_t size, std::uint32_t flags = 0) {
    return error_of(Command::kDmaUnmap, body_of(DmaUnmap{sizeof(DmaUnmap), flags, address, size}));
  }
  std::uint32_t set_irqs(std::uint32_t flags, IrqIndex index, std::uint32_t start, std::uint32_t count,
                         std::span<const int> fds = {}, const Bytes& data = {}) {
    const IrqSet set{static_cast<std::uint32_t>(sizeof set + data.size()), flags, static_cast<std::uint32_t>(index),
                     start, count};
    return error_of(Command::kSetIrqs, body_of(set) + data, fds);
  }

  std::vector<Message> others;

 private:
  Channel channel_;
  std::function<void()> turn_;
  std::uint16_t id_ = 0;
  bool alive_ = true;
};

// ---- Memory, events, what a process holds -------------------------------------------------------------------------

/// A memfd, mapped.
class Memory {
 public:
  explicit Memory(std::size_t bytes, int seals = F_SEAL_SHRINK)
      : fd_(::memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING)), bytes_(bytes) {
    if (::ftruncate(fd_.get(), static_cast<off_t>(bytes)) != 0) std::abort();
    if (seals != 0 && ::fcntl(fd_.get(), F_ADD_SEALS, seals) != 0) std::abort();
    at_ = static_cast<std::byte*>(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0));
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { ::munmap(at_, bytes_); }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] std::byte* data() const { return at_; }

 private:
  UniqueFd fd_;
  std::size_t bytes_;
  std::byte* at_;
};

class Event {
 public:
  Event() : fd_(sys::eventfd(0)) {}
  [[nodiscard]] int fd() const { return fd_.get(); }
  std::uint64_t take() {
    std::uint64_t n = 0;
    return ::read(fd_.get(), &n, sizeof n) == sizeof n ? n : 0;
  }

 private:
  UniqueFd fd_;
};

struct Holdings {
  std::size_t fds = 0, mappings = 0;
  friend bool operator==(Holdings, Holdings) = default;
  static Holdings now() {
    Holdings out;
    for ([[maybe_unused]] const auto& one : std::filesystem::directory_iterator("/proc/self/fd")) ++out.fds;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) out.mappings += line.find("memfd:") != line.npos ? 1u : 0u;
    return out;
  }
};

/// A directory for sockets, gone afterwards.
class Directory {
 public:
  Directory() {
    char name[] = "/tmp/pollux-vfio-user-XXXXXX";
    if (::mkdtemp(name) == nullptr) std::abort();
    path_ = name;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace vu
