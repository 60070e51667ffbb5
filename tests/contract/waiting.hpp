// SPDX-License-Identifier: BSD-3-Clause
// WaitingPort: any port with interrupts, seen through a wait policy: each rx_burst waits first, if only for a moment.
// So the contract, which knows of polling only, is asked of an interrupt-driven program.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <utility>

#include <pollux/irq/rx_waiter.hpp>
#include <pollux/net/port.hpp>

namespace contract {

/// Policy: wait(waiter, timeout). `count`: register accesses of the driver so far; those that waiting costs are kept
/// apart (`waiting()`), as they are none of rx_burst's.
/// kExact: nothing arrives between the wait and the look, as on a model that nobody steps meanwhile.
template <class Port, class Policy, class Accesses, bool kExact = true>
class WaitingPort {
 public:
  WaitingPort(Port& port, Interrupt& interrupt, Policy policy, Nanos timeout, const Accesses& count)
      : port_(port), waiter_(port, interrupt), policy_(std::move(policy)), timeout_(timeout), count_(count) {}

  std::uint32_t rx_burst(PacketBurst& burst) noexcept {
    const Accesses before = count_;
    const bool ready = policy_.wait(waiter_, timeout_);
    const Accesses used = count_ - before;
    waiting_.reads += used.reads;
    waiting_.writes += used.writes;
    EXPECT_FALSE(waiter_.failure());
    EXPECT_TRUE(used.reads == 0 || port_.vectors().shared()) << "MSI-X is armed without a read";
    const std::uint32_t n = port_.rx_burst(burst);
    EXPECT_TRUE(ready || n == 0 || !kExact) << "the policy would have slept through " << n << " packets";
    return n;
  }
  std::uint32_t tx_burst(PacketBurst& burst) noexcept { return port_.tx_burst(burst); }
  void commit() noexcept { port_.commit(); }
  std::uint32_t reclaim() noexcept { return port_.reclaim(); }
  [[nodiscard]] LinkState link() { return port_.link(); }
  [[nodiscard]] PortStats stats() { return port_.stats(); }
  [[nodiscard]] MacAddress mac() const { return port_.mac(); }
  [[nodiscard]] std::string name() const { return port_.name(); }
  [[nodiscard]] BufferStore& pool() const { return port_.pool(); }

  [[nodiscard]] const Accesses& waiting() const noexcept { return waiting_; }

 private:
  Port& port_;
  RxWaiter<Port> waiter_;
  Policy policy_;
  Nanos timeout_;
  const Accesses& count_;
  Accesses waiting_{};
};

}  // namespace contract
