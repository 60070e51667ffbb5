// SPDX-License-Identifier: BSD-3-Clause
// Frames to send and the check of those received: every byte is known, every frame has its number.
#pragma once
#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include <pollux/net/headers.hpp>
#include <pollux/net/packet.hpp>

namespace bench {

/// What a receiver saw. `lost`, `repeated` and `damaged` must be zero for a run to pass.
struct Verdict {
  std::uint64_t good = 0;
  std::uint64_t lost = 0;
  std::uint64_t repeated = 0;  ///< duplicated, or arrived later than the stream allows
  std::uint64_t damaged = 0;
  std::uint64_t late = 0;     ///< arrived, behind a frame sent after it, in a stream that allows it
  std::uint64_t foreign = 0;  ///< not ours: what the kernel or others sent on the wire

  [[nodiscard]] bool clean() const noexcept { return lost == 0 && repeated == 0 && damaged == 0; }
  Verdict& operator+=(const Verdict& o) noexcept {
    good += o.good, lost += o.lost, repeated += o.repeated, damaged += o.damaged;
    late += o.late, foreign += o.foreign;
    return *this;
  }
};

/// A stream of numbered frames that two sides agree on. `write` makes frame number n, `check` says whether bytes are
/// frame number n. The addresses may have been exchanged on the way; nothing else may differ.
class FrameStream {
 public:
  FrameStream() = default;
  FrameStream(const FrameStream&) = delete;
  FrameStream& operator=(const FrameStream&) = delete;
  virtual ~FrameStream() = default;

  /// Length of frame n without FCS [bytes].
  [[nodiscard]] virtual std::uint16_t length(std::uint64_t n) const noexcept = 0;
  virtual void write(std::uint64_t n, std::byte* to) const noexcept = 0;
  /// The number that a received frame claims; where frames carry none, the first from `from` on that it can be. False:
  /// not a frame of this stream.
  [[nodiscard]] virtual bool identify(std::span<const std::byte> frame, std::uint64_t from,
                                      std::uint64_t& number) const noexcept = 0;
  [[nodiscard]] virtual bool matches(std::span<const std::byte> frame, std::uint64_t number) const noexcept = 0;
  /// How many frames may overtake one before it counts as lost; at most Checker::kReach.
  [[nodiscard]] virtual std::uint32_t reorder() const noexcept { return 0; }
};

/// Frames of one size with the sequence number and a payload that changes with it. With EtherType 0x88A4 the payload
/// lies in EtherCAT datagrams of up to 128 bytes of data (LRW), else behind EtherType 0x88B5. Streams with different
/// tags do not know each other's frames: what a run that was killed left on the wire is nothing to the next.
class GeneratedStream final : public FrameStream {
 public:
  /// Pre: 60 <= length <= 1514. Sizes of a mixed stream cycle through `lengths`.
  GeneratedStream(std::vector<std::uint16_t> lengths, pollux::MacAddress destination, pollux::MacAddress source,
                  pollux::EtherType type, std::uint32_t tag)
      : lengths_(std::move(lengths)), tag_(tag) {
    std::uint32_t state = 0x2545F491;
    for (std::byte& b : pattern_) {
      state ^= state << 13, state ^= state >> 17, state ^= state << 5;  // xorshift: any fixed noise will do
      b = static_cast<std::byte>(state);
    }
    for (const std::uint16_t length : lengths_) plans_.push_back(plan(length, destination, source, type));
  }

  [[nodiscard]] std::uint16_t length(std::uint64_t n) const noexcept override { return lengths_[n % lengths_.size()]; }
  void write(std::uint64_t n, std::byte* to) const noexcept override {
    const Plan& p = plans_[n % plans_.size()];
    std::memcpy(to, p.headers.data(), p.headers.size());
    for (const Piece& piece : p.pieces) std::memcpy(to + piece.at, noise(n, piece.at), piece.bytes);
    pollux::store_header(to + p.pieces.front().at, Number::of(n, tag_));
  }
  [[nodiscard]] bool identify(std::span<const std::byte> frame, std::uint64_t,
                              std::uint64_t& number) const noexcept override {
    const std::size_t at = plans_.front().pieces.front().at;  // the same place in every size
    if (frame.size() < at + sizeof(Number)) return false;
    if (std::memcmp(frame.data() + 12, plans_.front().headers.data() + 12, 2) != 0) return false;
    const auto got = pollux::load_header<Number>(frame.data() + at);
    number = got.number;
    return got.magic == Number::kMagic && got.tag == tag_ && got.inverse == ~number;
  }
  [[nodiscard]] bool matches(std::span<const std::byte> frame, std::uint64_t n) const noexcept override {
    const Plan& p = plans_[n % plans_.size()];
    if (frame.size() != lengths_[n % lengths_.size()]) return false;
    const std::size_t first = p.pieces.front().at;
    if (std::memcmp(frame.data() + 12, p.headers.data() + 12, first - 12) != 0) return false;
    for (const Piece& piece : p.pieces) {
      const std::size_t skip = piece.at == first ? sizeof(Number) : 0;
      if (std::memcmp(frame.data() + piece.at + skip, noise(n, piece.at) + skip, piece.bytes - skip) != 0) return false;
      const std::size_t end = piece.at + piece.bytes;  // between the pieces: datagram headers and working counters
      const std::size_t next = &piece == &p.pieces.back() ? p.headers.size() : (&piece + 1)->at;
      if (std::memcmp(frame.data() + end, p.headers.data() + end, next - end) != 0) return false;
    }
    return true;
  }

 private:
  struct Number {
    static constexpr std::uint32_t kMagic = 0x504F4C58;
    pollux::Le32 magic;
    pollux::Le32 tag;
    pollux::Le64 number;
    pollux::Le64 inverse;
    static Number of(std::uint64_t n, std::uint32_t tag) noexcept {
      return {.magic = kMagic, .tag = tag, .number = n, .inverse = ~n};
    }
  };
  struct Piece {
    std::size_t at;
    std::size_t bytes;
  };
  struct Plan {
    std::vector<std::byte> headers;  ///< the whole frame, payload bytes zero
    std::vector<Piece> pieces;       ///< where the payload goes
  };

  [[nodiscard]] const std::byte* noise(std::uint64_t n, std::size_t at) const noexcept {
    return pattern_.data() + (n * 7 + at) % 1024;
  }

  static Plan plan(std::uint16_t length, pollux::MacAddress destination, pollux::MacAddress source,
                   pollux::EtherType type) {
    using namespace pollux;
    Plan out{std::vector<std::byte>(length), {}};
    store_header(
        out.headers.data(),
        EthernetHeader{.destination = destination, .source = source, .type = static_cast<std::uint16_t>(type)});
    std::size_t at = sizeof(EthernetHeader);
    if (type != EtherType::kEtherCat) {
      out.pieces.push_back({at, length - at});
      return out;
    }
    constexpr std::size_t kHead = sizeof(EtherCatDatagram), kCounter = 2, kData = 128, kLeast = kHead + kCounter + 24;
    constexpr std::uint16_t kDatagrams = 1 << 12, kMoreFollow = 1 << 15;
    constexpr std::uint8_t kLogicalReadWrite = 12;
    store_header(out.headers.data() + at,
                 EtherCatHeader{.length_type = static_cast<std::uint16_t>((length - at - 2) | kDatagrams)});
    at += sizeof(EtherCatHeader);
    for (std::uint8_t index = 0; at < length; ++index) {
      std::size_t data = std::min(kData, length - at - kHead - kCounter);
      const std::size_t rest = length - at - kHead - kCounter - data;
      if (rest != 0 && rest < kLeast) data -= kLeast - rest;  // the last datagram must have room for a header
      const bool more = at + kHead + data + kCounter < length;
      store_header(out.headers.data() + at,
                   EtherCatDatagram{.command = kLogicalReadWrite,
                                    .index = index,
                                    .slave_address = std::uint16_t{0},
                                    .offset = static_cast<std::uint16_t>(index * kData),
                                    .length_more = static_cast<std::uint16_t>(data | (more ? kMoreFollow : 0)),
                                    .interrupt = std::uint16_t{0}});
      out.pieces.push_back({at + kHead, data});
      at += kHead + data + kCounter;
    }
    return out;
  }

  std::vector<std::uint16_t> lengths_;
  std::uint32_t tag_;
  std::vector<Plan> plans_;
  std::array<std::byte, 1024 + 1514> pattern_{};
};

/// The frames of a capture, over and over, byte for byte; shorter ones grow to 60 bytes as on a wire.
class ReplayedStream final : public FrameStream {
 public:
  explicit ReplayedStream(std::vector<std::vector<std::byte>> frames) : frames_(std::move(frames)) {
    for (auto& frame : frames_) {
      if (frame.size() < pollux::kMinFrame) frame.resize(pollux::kMinFrame);
    }
  }
  [[nodiscard]] std::uint16_t length(std::uint64_t n) const noexcept override {
    return static_cast<std::uint16_t>(frame(n).size());
  }
  void write(std::uint64_t n, std::byte* to) const noexcept override {
    std::memcpy(to, frame(n).data(), frame(n).size());
  }
  /// Frames carry no number: a frame is the expected one, one of those soon after it, or not ours.
  [[nodiscard]] bool identify(std::span<const std::byte> got, std::uint64_t from,
                              std::uint64_t& number) const noexcept override {
    for (std::uint64_t n = from; n < from + frames_.size(); ++n) {
      number = n;
      if (matches(got, n)) return true;
    }
    number = from;  // damaged, if it came from one of the capture's stations
    return std::any_of(frames_.begin(), frames_.end(), [&](const auto& f) {
      return got.size() >= 12 &&
             (std::memcmp(got.data() + 6, f.data() + 6, 6) == 0 || std::memcmp(got.data(), f.data() + 6, 6) == 0);
    });
  }
  [[nodiscard]] bool matches(std::span<const std::byte> got, std::uint64_t n) const noexcept override {
    const auto& want = frame(n);
    if (got.size() != want.size() || std::memcmp(got.data() + 12, want.data() + 12, want.size() - 12) != 0)
      return false;
    const bool as_sent = std::memcmp(got.data(), want.data(), 12) == 0;
    return as_sent ||
           (std::memcmp(got.data(), want.data() + 6, 6) == 0 && std::memcmp(got.data() + 6, want.data(), 6) == 0);
  }
  /// A kernel keeps the order of a flow, not that of all frames: fq_codel takes turns between the flows that wait for a
  /// busy NIC, and packet sockets get frames of protocols that the kernel does not speak (EtherCAT) after those that it
  /// does (IP) of one NAPI batch.
  [[nodiscard]] std::uint32_t reorder() const noexcept override { return kReorder; }
  [[nodiscard]] std::size_t count() const noexcept { return frames_.size(); }

 private:
  static constexpr std::uint32_t kReorder = 255;  ///< as many as may be under way (kWindow), less one
  [[nodiscard]] const std::vector<std::byte>& frame(std::uint64_t n) const noexcept {
    return frames_[n % frames_.size()];
  }
  std::vector<std::vector<std::byte>> frames_;
};

/// Checks the frames of one stream as they arrive. Every frame is accounted for once: good, damaged or lost.
class Checker {
 public:
  static constexpr std::uint32_t kReach = 255;  ///< the most that FrameStream::reorder may say

  explicit Checker(const FrameStream& stream) noexcept : stream_(&stream), reorder_(stream.reorder()) {}

  /// Returns whether the frame belongs to the stream (and so counts for flow control).
  bool check(const pollux::Packet& packet) noexcept {
    const std::span<const std::byte> frame = packet.bytes();
    std::uint64_t number = 0;
    bool ours = stream_->identify(frame, expected_, number);
    while (ours && overtook(number)) ours = stream_->identify(frame, number + 1, number);
    if (!ours) {
      ++verdict_.foreign;
      return false;
    }
    if (number < expected_) {
      ++verdict_.repeated;
      return true;
    }
    verdict_.late += number < newest_;
    newest_ = std::max(newest_, number);
    if (number - expected_ > reorder_) give_up_before(number - reorder_);
    overtaken_.set(number - expected_);
    while (overtaken_.test(0)) step();
    if (stream_->matches(frame, number)) {
      ++verdict_.good;
    } else {
      ++verdict_.damaged;
    }
    return true;
  }
  /// How many frames have arrived or are known to be lost.
  [[nodiscard]] std::uint64_t accounted() const noexcept { return verdict_.good + verdict_.damaged + verdict_.lost; }
  /// The verdict once `sent` frames were sent and no more will come.
  [[nodiscard]] Verdict finish(std::uint64_t sent) const noexcept {
    Verdict out = verdict_;
    if (sent > accounted()) out.lost += sent - accounted();
    return out;
  }
  /// The verdict on a stream of which nobody knows how many frames were sent.
  [[nodiscard]] const Verdict& verdict() const noexcept { return verdict_; }

 private:
  /// Whether this frame is one that arrived before the expected one.
  [[nodiscard]] bool overtook(std::uint64_t number) const noexcept {
    return number >= expected_ && number - expected_ <= kReach && overtaken_.test(number - expected_);
  }
  void step() noexcept { overtaken_ >>= 1, ++expected_; }
  void give_up_before(std::uint64_t number) noexcept {
    for (; overtaken_.any() && expected_ != number; step()) verdict_.lost += !overtaken_.test(0);
    verdict_.lost += number - expected_;
    expected_ = number;
  }

  const FrameStream* stream_;
  std::uint32_t reorder_;
  std::uint64_t expected_ = 0;  ///< all before this one are accounted for
  std::uint64_t newest_ = 0;
  std::bitset<kReach + 1> overtaken_;  ///< bit n: frame expected_ + n has arrived; bit 0 is never set between calls
  Verdict verdict_;
};

}  // namespace bench
