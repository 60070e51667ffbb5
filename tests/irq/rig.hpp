// SPDX-License-Identifier: BSD-3-Clause
// NICs in software whose driver waits for interrupts, with a place to step in before and after everything it does:
// register accesses, system calls, looks, clock reads. Time is virtual; a sleep without an interrupt makes it pass.
#pragma once
#include "../real_calls.hpp"

#define POLLUX_SYSCALL(name) seam::name

#include <cerrno>
#include <cstdint>
#include <functional>

/// What happens around the driver's actions. One thread.
struct Moments {
  std::function<void()> at;                                         ///< called at every moment
  std::function<int(pollfd*, nfds_t, const timespec*)> sleep = {};  ///< in the place of ppoll
  std::uint64_t sleeps = 0;

  void pass() {
    if (!at || inside_) return;
    inside_ = true;
    at();
    inside_ = false;
  }
  static Moments& get() {
    static thread_local Moments one;
    return one;
  }

 private:
  bool inside_ = false;
};

namespace seam {
using namespace real_calls;
inline ssize_t read(int fd, void* to, std::size_t n) {
  Moments::get().pass();
  const ssize_t got = ::read(fd, to, n);
  const int error = errno;
  Moments::get().pass();
  errno = error;
  return got;
}
inline int ppoll(pollfd* fds, nfds_t n, const timespec* timeout, const sigset_t* mask) {
  Moments& moments = Moments::get();
  moments.pass();
  ++moments.sleeps;
  const int ready = moments.sleep ? moments.sleep(fds, n, timeout) : ::ppoll(fds, n, timeout, mask);
  moments.pass();
  return ready;
}
}  // namespace seam

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <pollux/e1000/model.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/irq/rx_waiter.hpp>
#include <pollux/ixgbe/model.hpp>
#include <pollux/ixgbe/port.hpp>
#include <pollux/sim/backend.hpp>

namespace irq_rig {

using namespace pollux;

struct Accesses {
  std::uint64_t reads = 0, writes = 0;
  friend Accesses operator-(Accesses a, Accesses b) { return {a.reads - b.reads, a.writes - b.writes}; }
  friend bool operator==(Accesses, Accesses) = default;
};

/// Counts what passes through it, and makes moments.
template <reg::RegisterIo Inner>
class WatchedIo {
 public:
  WatchedIo(Inner inner, Accesses& count) noexcept : inner_(inner), count_(&count) {}
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept {
    ++count_->reads;
    Moments::get().pass();
    const std::uint32_t value = inner_.read32(offset);
    Moments::get().pass();
    return value;
  }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept {
    ++count_->writes;
    Moments::get().pass();
    inner_.write32(offset, value);
    Moments::get().pass();
  }

 private:
  Inner inner_;
  Accesses* count_;
};

template <class Model, sim::Doorbells Mode = sim::Doorbells::kInline>
class WatchedBackend : public sim::SimBackend<Model, Mode> {
  using Inner = sim::SimBackend<Model, Mode>;

 public:
  using Inner::Inner;
  using Io = WatchedIo<typename Inner::Io>;
  using DoorbellIo = WatchedIo<typename Inner::DoorbellIo>;
  [[nodiscard]] reg::Bar<Io> bar(unsigned i) { return reg::Bar<Io>(Io(Inner::bar(i).io(), count_)); }
  [[nodiscard]] reg::Bar<DoorbellIo> doorbells(unsigned i) {
    return reg::Bar<DoorbellIo>(DoorbellIo(Inner::doorbells(i).io(), count_));
  }
  [[nodiscard]] const Accesses& count() const noexcept { return count_; }

 private:
  Accesses count_;
};

constexpr MacAddress kLeft{{0x02, 0, 0, 0, 0, 0x0A}}, kRight{{0x02, 0, 0, 0, 0, 0x0B}};

struct E82574 {
  using Model = e1000::Model82574;
  using Config = e1000::Config;
  template <class Backend>
  using Port = e1000::Port<e1000::I82574, Backend>;
  static constexpr std::uint32_t kMinRing = e1000::I82574::kMinRing;
  static e1000::Model82574Config card(const MacAddress& mac) { return {.mac = mac}; }
};
struct E82599 {
  using Model = ixgbe::Model82599;
  using Config = ixgbe::Config;
  template <class Backend>
  using Port = ixgbe::Port<ixgbe::I82599, Backend>;
  static constexpr std::uint32_t kMinRing = ixgbe::I82599::kMinRing;
  static ixgbe::Personality card(const MacAddress& mac) {
    return {.mac = mac, .reset_time = 100_us, .nvm_load_time = 2_ms, .queue_time = 50_us, .link_time = 20_ms};
  }
};

/// One NIC on a wire: model, driver, interrupts. Everything but the clock and the wire.
template <class Kind, sim::Doorbells Mode = sim::Doorbells::kInline>
class Nic {
 public:
  using Backend = WatchedBackend<typename Kind::Model, Mode>;
  using Port = typename Kind::template Port<Backend>;
  static_assert(InterruptCapable<Backend> && RxInterruptible<Port>);

  Nic(sim::VirtualClock& clock, sim::Iommu& iommu, sim::WireEnd& wire, sim::FaultLog& faults, const MacAddress& mac,
      const char* name, std::uint32_t buffers, const typename Kind::Config& config = {})
      : model(iommu, wire, faults, Kind::card(mac)),
        timed_(join(clock)),
        backend(model, sim::VirtualClock::Handle(clock), name),
        pool(iommu, buffers, BufferPool::kDefaultBufferBytes, PagePreference::kOrdinary),
        port(backend, pool, config) {}

  void open(IrqKind kind, Nanos gap = {}) {
    port.use_interrupts(kind, gap);
    interrupts = backend.open_interrupts(kind, port.vectors().count());
  }
  /// Of the frames of one queue, or of everything else.
  [[nodiscard]] Interrupt& rx(unsigned queue = 0) { return *interrupts[port.vectors().rx(queue)]; }
  [[nodiscard]] Interrupt& other() { return *interrupts[port.vectors().other()]; }

  typename Kind::Model model;

 private:
  bool timed_;
  bool join(sim::VirtualClock& clock) {
    model.set_time([&clock] { return clock.now(); });
    clock.on_advance([this] { (void)model.step(); });
    return true;
  }

 public:
  Backend backend;
  BufferPool pool;
  Port port;
  std::vector<std::unique_ptr<Interrupt>> interrupts;
};

}  // namespace irq_rig
