// SPDX-License-Identifier: BSD-3-Clause
// Wires between models, and things to put into them: Cable, Loopback, FaultInjector. All compose.
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include <pollux/core/clock.hpp>

namespace pollux::sim {

/// One end of a wire, as a NIC sees it. Frames are without FCS. Threads: each end belongs to one.
class WireEnd {
 public:
  WireEnd() = default;
  WireEnd(const WireEnd&) = delete;
  WireEnd& operator=(const WireEnd&) = delete;
  virtual ~WireEnd() = default;

  /// Sends a frame. False: the wire takes no more now; nothing was sent.
  virtual bool transmit(std::span<const std::byte> frame) noexcept = 0;
  /// The oldest frame that has arrived, or an empty span. Valid until `consume`.
  [[nodiscard]] virtual std::span<const std::byte> front() noexcept = 0;
  /// Takes it off the wire. Pre: front() is not empty.
  virtual void consume() noexcept = 0;
  [[nodiscard]] virtual bool link() const noexcept = 0;
  /// Tells what time it is; a wire with delays moves frames then.
  virtual void tick(Nanos) noexcept {}
};

/// Frames on their way, in order: a byte ring with one writer and one reader, lock-free.
class FrameQueue {
 public:
  explicit FrameQueue(std::size_t bytes = std::size_t{1} << 20) : ring_(bytes) {}

  bool push(std::span<const std::byte> frame) noexcept {
    const std::size_t need = room_for(frame.size());
    const std::size_t size = ring_.size();
    const std::uint64_t head = head_.load(std::memory_order_acquire);
    std::size_t at = static_cast<std::size_t>(tail_ % size);
    const std::size_t skip = size - at < need ? size - at : 0;  // frames do not wrap
    if (need + skip > size - (tail_ - head)) return false;
    if (skip != 0) {
      store(at, kSkip);
      at = 0;
    }
    store(at, static_cast<std::uint32_t>(frame.size()));
    std::memcpy(&ring_[at + sizeof(std::uint32_t)], frame.data(), frame.size());
    tail_ += need + skip;
    published_.store(tail_, std::memory_order_release);
    return true;
  }
  [[nodiscard]] std::span<const std::byte> front() noexcept {
    for (;;) {
      const std::uint64_t head = head_.load(std::memory_order_relaxed);
      if (head == published_.load(std::memory_order_acquire)) return {};
      const auto at = static_cast<std::size_t>(head % ring_.size());
      const std::uint32_t length = load(at);
      if (length != kSkip) return {&ring_[at + sizeof(std::uint32_t)], length};
      head_.store(head + (ring_.size() - at), std::memory_order_release);
    }
  }
  void pop() noexcept {
    const std::span<const std::byte> frame = front();
    head_.store(head_.load(std::memory_order_relaxed) + room_for(frame.size()), std::memory_order_release);
  }

 private:
  static constexpr std::uint32_t kSkip = ~0u;
  static constexpr std::size_t room_for(std::size_t n) noexcept { return (sizeof(std::uint32_t) + n + 7) / 8 * 8; }
  void store(std::size_t at, std::uint32_t v) noexcept { std::memcpy(&ring_[at], &v, sizeof v); }
  [[nodiscard]] std::uint32_t load(std::size_t at) const noexcept {
    std::uint32_t v;
    std::memcpy(&v, &ring_[at], sizeof v);
    return v;
  }
  std::vector<std::byte> ring_;
  std::uint64_t tail_ = 0;  ///< the writer's own
  alignas(64) std::atomic<std::uint64_t> published_{0};
  alignas(64) std::atomic<std::uint64_t> head_{0};
};

/// Two ends; what one transmits the other receives. Pulling it (set_link) stops frames at both ends.
class Cable {
 public:
  [[nodiscard]] WireEnd& a() noexcept { return a_; }
  [[nodiscard]] WireEnd& b() noexcept { return b_; }
  void set_link(bool up) noexcept { up_.store(up, std::memory_order_release); }

 private:
  class End final : public WireEnd {
   public:
    End(Cable& cable, FrameQueue& out, FrameQueue& in) noexcept : cable_(cable), out_(out), in_(in) {}
    bool transmit(std::span<const std::byte> frame) noexcept override { return !link() || out_.push(frame); }
    [[nodiscard]] std::span<const std::byte> front() noexcept override { return in_.front(); }
    void consume() noexcept override { in_.pop(); }
    [[nodiscard]] bool link() const noexcept override { return cable_.up_.load(std::memory_order_acquire); }

   private:
    Cable& cable_;
    FrameQueue& out_;
    FrameQueue& in_;
  };
  std::atomic<bool> up_{true};
  FrameQueue to_a_, to_b_;
  End a_{*this, to_b_, to_a_};
  End b_{*this, to_a_, to_b_};
};

/// What goes out comes in again.
class Loopback final : public WireEnd {
 public:
  bool transmit(std::span<const std::byte> frame) noexcept override { return frames_.push(frame); }
  [[nodiscard]] std::span<const std::byte> front() noexcept override { return frames_.front(); }
  void consume() noexcept override { frames_.pop(); }
  [[nodiscard]] bool link() const noexcept override { return true; }

 private:
  FrameQueue frames_;
};

/// How a FaultInjector spoils what is transmitted. Probabilities are per frame, 0 to 1.
struct WireFaults {
  double drop = 0;
  double duplicate = 0;
  double corrupt = 0;                  ///< one random bit is flipped
  double reorder = 0;                  ///< a frame is overtaken by the next one
  Nanos delay{};                       ///< every frame arrives this much later
  std::uint64_t bytes_per_second = 0;  ///< 0: no limit; beyond it the wire takes no more
  Nanos flap_every{}, flap_for{};      ///< the link goes down every so often, for so long; 0: never
};

/// Put before any WireEnd; spoils what is sent through it, deterministically from its seed.
/// Delay, rate and flaps need `tick`, which a model calls on every step.
class FaultInjector final : public WireEnd {
 public:
  FaultInjector(WireEnd& inner, const WireFaults& faults, std::uint64_t seed = 1)
      : inner_(inner), faults_(faults), random_(seed) {}

  bool transmit(std::span<const std::byte> frame) noexcept override {
    if (!link()) return true;  // lost, as on a pulled cable
    if (!within_rate(frame.size())) return false;
    if (happens(faults_.drop)) return count(dropped_);
    std::vector<std::byte> copy(frame.begin(), frame.end());
    if (happens(faults_.corrupt)) {
      count(corrupted_);
      copy[random_() % copy.size()] ^= static_cast<std::byte>(1u << random_() % 8);
    }
    if (happens(faults_.duplicate)) {
      count(duplicated_);
      schedule(copy);
    }
    if (held_.empty() && happens(faults_.reorder)) {
      count(reordered_);
      held_ = std::move(copy);
      return true;
    }
    schedule(std::move(copy));
    if (!held_.empty()) schedule(std::exchange(held_, {}));
    release();
    return true;
  }
  [[nodiscard]] std::span<const std::byte> front() noexcept override { return inner_.front(); }
  void consume() noexcept override { inner_.consume(); }
  [[nodiscard]] bool link() const noexcept override {
    const bool down = faults_.flap_every > Nanos{} &&
                      now_.count % faults_.flap_every.count >= faults_.flap_every.count - faults_.flap_for.count;
    return !down && inner_.link();
  }
  void tick(Nanos now) noexcept override {
    now_ = now;
    inner_.tick(now);
    release();
  }

  struct Counts {
    std::uint64_t dropped, duplicated, corrupted, reordered;
  };
  [[nodiscard]] Counts counts() const noexcept { return {dropped_, duplicated_, corrupted_, reordered_}; }

 private:
  struct Scheduled {
    Nanos due;
    std::vector<std::byte> frame;
  };
  static bool count(std::uint64_t& counter) noexcept {
    ++counter;
    return true;
  }
  bool happens(double probability) noexcept {
    return probability > 0 && std::uniform_real_distribution<double>(0, 1)(random_) < probability;
  }
  bool within_rate(std::size_t bytes) noexcept {
    if (faults_.bytes_per_second == 0) return true;
    if (now_ < free_at_) return false;
    const double ns = static_cast<double>(bytes) * 1e9 / static_cast<double>(faults_.bytes_per_second);
    free_at_ = (free_at_ < now_ ? now_ : free_at_) + Nanos{static_cast<std::int64_t>(ns)};
    return true;
  }
  void schedule(std::vector<std::byte> frame) { waiting_.push_back({now_ + faults_.delay, std::move(frame)}); }
  void release() noexcept {
    while (!waiting_.empty() && waiting_.front().due <= now_ && inner_.transmit(waiting_.front().frame)) {
      waiting_.pop_front();
    }
  }

  WireEnd& inner_;
  WireFaults faults_;
  std::mt19937_64 random_;
  std::deque<Scheduled> waiting_;
  std::vector<std::byte> held_;
  Nanos now_, free_at_;
  std::uint64_t dropped_ = 0, duplicated_ = 0, corrupted_ = 0, reordered_ = 0;
};

}  // namespace pollux::sim
