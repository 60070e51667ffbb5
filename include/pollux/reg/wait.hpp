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
  std::string name;          ///< e.g. "82574L 0000:03:00.0"
  std::string address = {};  ///< as lspci and setpci want it: "0000:03:00.0"; empty where they know nothing of it
};

struct Deadline {
  Nanos limit;         ///< give up after this long
  Nanos step = 10_us;  ///< between two looks
};

namespace detail {
template <RegisterIo Io, Clock C>
std::string nobody_answers(const Device<Io, C>& device) {
  if (device.address.empty()) return "the device is gone or its memory decoding is off";
  return text::cat("the device is gone (lspci -s ", device.address,
                   "), or its memory decoding is off: open it again, which turns that on, or as root: setpci -s ",
                   device.address, " COMMAND=2:2");
}
}  // namespace detail

/// Whether nobody answers, because the device is gone or its memory decoding is off: R reads all ones, as it does on
/// silicon, or R and every one of More reads zero [quirk qemu].
/// Pre: R has a bit that always reads as zero; one bit of R and More never does. Cost: 1 MMIO read; one more for each
/// of More when R reads zero.
template <Readable R, Readable... More, RegisterIo Io, Clock C>
[[nodiscard]] bool is_gone(const Device<Io, C>& device) noexcept {
  const std::uint32_t bits = device.bar.template read<R>().bits;
  if (bits == ~0u || sizeof...(More) == 0) return bits == ~0u;
  return bits == 0 && (... && (device.bar.template read<More>().bits == 0));
}
/// Errors: ENODEV when nobody answers; `operation` completes the sentence "cannot ... DEVICE". Cost: as is_gone.
template <Readable R, Readable... More, RegisterIo Io, Clock C>
[[nodiscard]] Result<Done> try_check_presence(const Device<Io, C>& device, const char* operation) {
  if (!is_gone<R, More...>(device)) return Done{};
  return Failure{.code = ENODEV,
                 .operation = operation,
                 .object = device.name,
                 .where = sizeof...(More) == 0 || device.bar.template read<R>().bits != 0
                              ? text::cat(R::kName, " reads all ones")
                              : text::cat(R::kName, text::cat(" and ", More::kName)..., " read 0"),
                 .remedy = detail::nobody_answers(device)};
}
/// The first step of every bring-up. Errors: raises ENODEV when nobody answers. Cost: as is_gone.
template <Readable R, Readable... More, RegisterIo Io, Clock C>
void check_presence(const Device<Io, C>& device) {
  (void)try_check_presence<R, More...>(device, "bring up").value();
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
         .remedy = seen.bits == ~0u ? "all ones: " + nobody_answers(device) : ""});
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
