// SPDX-License-Identifier: BSD-3-Clause
// Giving a PCI function to another kernel driver through driver_override, and giving it back.
#pragma once
#include <optional>
#include <string>

#include <pollux/pci/sysfs.hpp>

namespace pollux {

/// The shell commands that bind `bdf` to `driver`, for messages and dry runs.
inline std::string bind_commands(const PciSysfs& sysfs, const PciFunctionInfo& function, const std::string& driver) {
  const std::string device = sysfs.device_path(function.bdf), bdf = function.bdf.to_string();
  std::string out = text::cat("modprobe ", driver, "; echo ", driver, " > ", device, "/driver_override; ");
  if (function.driver) out += text::cat("echo ", bdf, " > ", device, "/driver/unbind; ");
  return out + text::cat("echo ", bdf, " > ", sysfs.root(), "/bus/pci/drivers_probe");
}

/// Why a function cannot be opened that is not bound to the driver it takes. `first`: commands before those that bind
/// it.
inline Failure wrong_driver(const PciSysfs& sysfs, const PciFunctionInfo& function, const std::string& wanted,
                            const char* operation, const std::string& first = {}) {
  return {
      .code = function.driver ? EBUSY : ENODEV,
      .operation = operation,
      .object = function.bdf.to_string(),
      .where = function.driver ? text::cat("bound to driver ", *function.driver) : std::string("bound to no driver"),
      .remedy = text::cat("as root: ", first, bind_commands(sysfs, function, wanted))};
}

namespace detail {
/// Unbinds whatever driver `bdf` has, probes again with `override_text` ("\n": the kernel's own choice).
inline Result<Done> try_rebind(const PciSysfs& sysfs, Bdf bdf, const std::string& override_text) {
  const std::string device = sysfs.device_path(bdf);
  if (auto r = file::try_write(device + "/driver_override", override_text); !r) return r;
  if (file::exists(device + "/driver")) {
    if (auto r = file::try_write(device + "/driver/unbind", bdf.to_string()); !r) return r;
  }
  return file::try_write(sysfs.root() + "/bus/pci/drivers_probe", bdf.to_string());
}
}  // namespace detail

/// Binds `bdf` to `driver` (its module must be loaded). Returns the driver it had, for `restore_driver`.
/// Guarantees: on failure the override is cleared and the former driver bound again. Needs root.
/// The caller decides whether a device is in use; this does not look. Cost: about ten system calls, plus both
/// drivers' work. Errors: raises what failed and the same steps as shell commands.
inline std::optional<std::string> bind_driver(const PciSysfs& sysfs, Bdf bdf, const std::string& driver) {
  const PciFunctionInfo before = sysfs.info(bdf);
  if (before.driver == driver) return before.driver;
  Failure failure;
  if (!file::exists(sysfs.driver_path(driver))) {
    failure = {.code = ENOENT, .operation = {}, .object = {}, .where = "that driver is not loaded", .remedy = {}};
  } else {
    const auto done = detail::try_rebind(sysfs, bdf, driver);
    if (done && file::link_name(sysfs.device_path(bdf) + "/driver") == driver) return before.driver;
    failure = done ? Failure{.code = ENODEV, .operation = {}, .object = {}, .where = {}, .remedy = {}} : done.failure();
    failure.where =
        done ? "the driver refused the device (see the kernel log)" : text::cat(failure.operation, " ", failure.object);
    (void)detail::try_rebind(sysfs, bdf, "\n");  // the former driver comes back; the override must be gone first
  }
  failure.operation = text::cat("bind to driver ", driver, " the device");
  failure.object = bdf.to_string();
  failure.remedy = text::cat("as root: ", bind_commands(sysfs, before, driver));
  raise(std::move(failure));
}

/// Clears the override and lets the kernel bind `former` again (nothing: leaves the device without driver).
inline Result<Done> try_restore_driver(const PciSysfs& sysfs, Bdf bdf, const std::optional<std::string>& former) {
  if (!former) {
    const std::string device = sysfs.device_path(bdf);
    if (auto r = file::try_write(device + "/driver_override", "\n"); !r) return r;
    if (!file::exists(device + "/driver")) return Done{};
    return file::try_write(device + "/driver/unbind", bdf.to_string());
  }
  if (auto r = detail::try_rebind(sysfs, bdf, "\n"); !r) return r;
  if (file::link_name(sysfs.device_path(bdf) + "/driver") == former) return Done{};
  return Failure{.code = ENODEV,
                 .operation = text::cat("give back to driver ", *former, " the device"),
                 .object = bdf.to_string(),
                 .where = "the driver did not take it",
                 .remedy = text::cat("as root: modprobe ", *former)};
}

}  // namespace pollux
