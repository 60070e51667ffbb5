// SPDX-License-Identifier: BSD-3-Clause
// Frames into a pcapng file, as Wireshark reads it: time in nanoseconds, and which way each frame went.
//
// Written by hand because libpcap, which reads both formats, writes only classic pcap: that has no direction.
// [draft-ietf-opsawg-pcapng]
#pragma once
#include <time.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pollux/core/clock.hpp>
#include <pollux/core/endian.hpp>
#include <pollux/core/error.hpp>

namespace pollux {

/// As epb_flags has it, bits 1:0. [4.3.1]
enum class PcapDirection : std::uint8_t { kUnknown = 0, kIn = 1, kOut = 2 };

/// One section, one Ethernet interface. Buffered: what was written is in the file after flush() or close(); the
/// destructor closes too, but cannot say that it failed. Threads: one.
class PcapngWriter {
 public:
  /// Replaces the file. Errors: raises when it cannot be written.
  PcapngWriter(const std::string& path, std::string_view interface)
      : path_(path), file_(std::fopen(path.c_str(), "wb")) {
    if (!file_) raise(failure("create", "is the folder there, and may you write to it?"));
    describe_section();
    describe_interface(interface);
  }

  /// One frame without FCS, in one Enhanced Packet Block. `time` is since 1970 (see wall_clock), or whatever the reader
  /// should see. Errors: the disk's; after one the file ends in half a block.
  Result<Done> try_write(std::span<const std::byte> frame, Nanos time, PcapDirection direction) {
    const auto at = static_cast<std::uint64_t>(time.count);
    const auto length = static_cast<std::uint32_t>(frame.size());
    begin(kEnhancedPacket);
    put(Le32(0));  // interface
    put(Le32(static_cast<std::uint32_t>(at >> 32)));
    put(Le32(static_cast<std::uint32_t>(at)));
    put(Le32(length));  // captured
    put(Le32(length));  // on the wire
    put_padded(frame);
    put_option(kFlags, Le32(static_cast<std::uint32_t>(direction)));
    auto done = end();
    if (done) ++frames_;
    return done;
  }
  /// As try_write; raises.
  void write(std::span<const std::byte> frame, Nanos time, PcapDirection direction) {
    (void)try_write(frame, time, direction).value();
  }
  /// Errors: raises.
  void flush() {
    if (file_ && std::fflush(file_.get()) != 0) raise(failure("write"));
  }
  /// Ends the file; nothing may be written after. Errors: raises when what was buffered could not be written.
  void close() {
    if (file_ && std::fclose(file_.release()) != 0) raise(failure("write"));
  }

  [[nodiscard]] std::uint64_t frames() const noexcept { return frames_; }
  /// CLOCK_REALTIME.
  static Nanos wall_clock() noexcept {
    timespec t{};
    ::clock_gettime(CLOCK_REALTIME, &t);
    return {static_cast<std::int64_t>(t.tv_sec) * 1'000'000'000 + t.tv_nsec};
  }

 private:
  static constexpr std::uint32_t kSectionHeader = 0x0A0D0D0A, kInterfaceDescription = 1, kEnhancedPacket = 6;  // [11.1]
  static constexpr std::uint32_t kByteOrderMagic = 0x1A2B3C4D;                                                 // [4.1]
  static constexpr std::uint16_t kEthernet = 1;  // [LINKTYPE_ETHERNET]
  static constexpr std::uint16_t kEndOfOptions = 0, kFlags = 2, kIfName = 2, kIfTsresol = 9;

  void describe_section() {  // [4.1]
    begin(kSectionHeader);
    put(Le32(kByteOrderMagic));
    put(Le16(1));  // version 1.0
    put(Le16(0));
    put(Le64(~std::uint64_t{0}));  // to the end of the file
    (void)end().value();
  }
  void describe_interface(std::string_view name) {  // [4.2]
    begin(kInterfaceDescription);
    put(Le16(kEthernet));
    put(Le16(0));  // reserved
    put(Le32(0));  // no limit of length
    put_head(kIfName, name.size());
    put_padded(std::as_bytes(std::span(name)));
    put_option(kIfTsresol, std::uint8_t{9});  // 10^-9 s
    (void)end().value();
  }

  /// A block is its type, its length, its body, options, and its length again. [3.1]
  void begin(std::uint32_t type) {
    block_.clear();
    put(Le32(type));
    put(Le32(0));  // its length, when it is known
  }
  Result<Done> end() {
    const Le32 length = static_cast<std::uint32_t>(block_.size() + sizeof length);
    put(length);
    __builtin_memcpy(&block_[sizeof(Le32)], &length, sizeof length);
    if (!file_) return Failure{.code = EBADF, .operation = "write", .object = path_, .where = "closed", .remedy = {}};
    if (std::fwrite(block_.data(), block_.size(), 1, file_.get()) == 1) return Done{};
    return failure("write");
  }
  template <class T>
  void put(const T& value) {
    append(std::as_bytes(std::span(&value, 1)));
  }
  void put_padded(std::span<const std::byte> bytes) {
    append(bytes);
    block_.resize((block_.size() + 3) / 4 * 4);
  }
  void append(std::span<const std::byte> bytes) {  // not insert(): g++ 12 at -O3 warns of an overflow in it
    const std::size_t at = block_.size();
    block_.resize(at + bytes.size());
    if (!bytes.empty()) __builtin_memcpy(block_.data() + at, bytes.data(), bytes.size());
  }
  void put_head(std::uint16_t code, std::size_t length) {
    put(Le16(code));
    put(Le16(static_cast<std::uint16_t>(length)));
  }
  /// The last option of a block.
  template <class T>
  void put_option(std::uint16_t code, const T& value) {
    put_head(code, sizeof value);
    put_padded(std::as_bytes(std::span(&value, 1)));
    put_head(kEndOfOptions, 0);
  }
  [[nodiscard]] Failure failure(const char* operation, const char* remedy = "") const {
    return {.code = errno, .operation = operation, .object = path_, .where = {}, .remedy = remedy};
  }

  struct Close {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
  };
  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::vector<std::byte> block_;  ///< the one being put together
  std::uint64_t frames_ = 0;
};

}  // namespace pollux
