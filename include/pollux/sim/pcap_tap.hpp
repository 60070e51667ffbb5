// SPDX-License-Identifier: BSD-3-Clause
// PcapTap: put before any WireEnd; writes what passes, both ways, to a capture.
#pragma once
#include <cstddef>
#include <optional>
#include <span>

#include <pollux/net/pcapng.hpp>
#include <pollux/sim/wire.hpp>

namespace pollux::sim {

/// Out: frames that the wire took from the NIC. In: frames that the NIC took from the wire. Their time is what the
/// model last told by `tick`, so a run on a virtual clock gives the same file each time. After a failed write it passes
/// frames on and writes no more. Threads: one, that of the NIC's end; taps of one file share a thread.
class PcapTap final : public WireEnd {
 public:
  /// `epoch`: the time to write when the model's clock is at 0. `inner` and `file` outlive the tap.
  PcapTap(WireEnd& inner, PcapngWriter& file, Nanos epoch = {}) : inner_(inner), file_(file), epoch_(epoch) {}

  bool transmit(std::span<const std::byte> frame) noexcept override {
    if (!inner_.transmit(frame)) return false;
    write(frame, PcapDirection::kOut);
    return true;
  }
  [[nodiscard]] std::span<const std::byte> front() noexcept override { return inner_.front(); }
  void consume() noexcept override {
    write(inner_.front(), PcapDirection::kIn);
    inner_.consume();
  }
  [[nodiscard]] bool link() const noexcept override { return inner_.link(); }
  void tick(Nanos now) noexcept override {
    now_ = now;
    inner_.tick(now);
  }

  /// Why the capture is not complete, if it is not.
  [[nodiscard]] const std::optional<Failure>& failure() const noexcept { return failure_; }

 private:
  void write(std::span<const std::byte> frame, PcapDirection direction) noexcept {
    if (failure_) return;
    if (const auto done = file_.try_write(frame, epoch_ + now_, direction); !done) failure_ = done.failure();
  }

  WireEnd& inner_;
  PcapngWriter& file_;
  Nanos epoch_;
  Nanos now_;
  std::optional<Failure> failure_;
};

}  // namespace pollux::sim
