// SPDX-License-Identifier: BSD-3-Clause
// Device: a register window with a clock and a name, and whether it is there; wait_until: the only way a driver waits,
// always with a deadline.
#pragma once
#include <string>

#include <pollux/core/clock.hpp>
#include <pollux/core/error.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::reg {

/// What bring-up code works on: the registers, the time, and how to call the device in an error.
template <RegisterIo Io, Clock C>
struct Device {
  Bar<Io> bar;
  C clock;
  std::string name;  ///< e.g. "82574L 0000:03:00.0"
};

struct Deadline {
  Nanos limit;         ///< give up after this long
  Nanos step = 10_us;  ///< between two looks
};

/// Whether a read of R gives all ones, as nobody answers it: the device is gone, or its memory decoding is off.
/// Pre: R has a bit that always reads as zero. Cost: 1 MMIO read.
template <Readable R, RegisterIo Io, Clock C>
[[nodiscard]] bool is_gone(const Device<Io, C>& device) noexcept {
  return device.bar.template read<R>().bits == ~0u;
}
/// The first step of every bring-up. Errors: raises ENODEV when the device is gone. Cost: 1 MMIO read.
template <Readable R, RegisterIo Io, Clock C>
void check_presence(const Device<Io, C>& device) {
  if (!is_gone<R>(device)) return;
  raise({.code = ENODEV,
         .operation = "bring up",
         .object = device.name,
         .where = text::cat(R::kName, " reads all ones"),
         .remedy = "the device is gone or its memory decoding is off"});
}

/// Looks at `sample()` until it is true or the deadline passes; looks once more at the deadline, so a descheduled
/// caller never reports a time-out it has not seen. The last pause ends at the deadline. Cost: one sample per step.
template <Clock C, class Sample>
[[nodiscard]] bool try_wait_until(C& clock, Deadline deadline, Sample&& sample) {
  Nanos now = clock.now();
  for (const Nanos end = now + deadline.limit; now < end; now = clock.now()) {
    if (sample()) return true;
    clock.pause(deadline.step < end - now ? deadline.step : end - now);
  }
  return sample();
}

namespace detail {
template <class R, RegisterIo Io, Clock C, class Read, class Condition>
void wait_until(Device<Io, C>& device, Deadline deadline, const char* step, Read read, Condition condition) {
  Value<R> seen{};
  const bool reached = try_wait_until(device.clock, deadline, [&] { return condition(seen = read()); });
  if (reached) return;
  raise({.code = ETIMEDOUT,
         .operation = step,
         .object = device.name,
         .where = text::cat(R::kName, " still reads ", text::hex(seen.bits, 8), " after ", deadline.limit.count / 1000,
                            " us"),
         .remedy = seen.bits == ~0u ? "all ones: the device is gone or its memory decoding is off" : ""});
}
}  // namespace detail

/// Waits until `condition(Value<R>)` holds. `step` completes the sentence "cannot ... DEVICE".
/// Errors: raises ETIMEDOUT naming device, register and last value. Cost: one MMIO read per step.
template <Readable R, RegisterIo Io, Clock C, class Condition>
void wait_until(Device<Io, C>& device, Deadline deadline, const char* step, Condition condition) {
  detail::wait_until<R>(device, deadline, step, [&] { return device.bar.template read<R>(); }, condition);
}
template <Readable R, RegisterIo Io, Clock C, class Condition>
void wait_until(Device<Io, C>& device, Index i, Deadline deadline, const char* step, Condition condition) {
  detail::wait_until<R>(device, deadline, step, [&] { return device.bar.template read<R>(i); }, condition);
}

}  // namespace pollux::reg
