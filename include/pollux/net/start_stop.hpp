// SPDX-License-Identifier: BSD-3-Clause
// PortState, StopUnlessUp: what start() and stop() of every NIC's port have in common.
#pragma once
#include <cstdint>

namespace pollux {

/// Where a NIC's port stands. The constructor ends configured; start() leads from either to started, stop() to reset.
enum class PortState : std::uint8_t {
  kReset,       ///< reset and quiet: start() has to bring the device up first
  kConfigured,  ///< brought up and quiet
  kStarted,     ///< the device may work and reach memory
};

/// Guards the steps of a start(): whichever of them raises, the port is stopped and every buffer back in its pool.
///   const PortState before = std::exchange(state_, PortState::kStarted);
///   StopUnlessUp guard(*this);
///   ...steps, the bring-up first when before == PortState::kReset...
///   guard.up();
/// Pre: port.stop() does not raise, and undoes any number of the steps.
template <class Port>
class [[nodiscard]] StopUnlessUp {
 public:
  explicit StopUnlessUp(Port& port) noexcept : port_(&port) {}
  StopUnlessUp(const StopUnlessUp&) = delete;
  StopUnlessUp& operator=(const StopUnlessUp&) = delete;
  ~StopUnlessUp() {
    if (port_ != nullptr) port_->stop();
  }
  /// Every step was made: the port stays started.
  void up() noexcept { port_ = nullptr; }

 private:
  Port* port_;
};

}  // namespace pollux
