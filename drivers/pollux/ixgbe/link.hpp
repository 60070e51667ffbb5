// SPDX-License-Identifier: BSD-3-Clause
// Link of 82599 and X540: the lock it shares with the firmware, set-up by media, link state, waiting for it with what
// the registers say when it does not come.
#pragma once
#include <string>

#include <pollux/ixgbe/chips.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/net/link.hpp>
#include <pollux/reg/wait.hpp>

namespace pollux::ixgbe {

/// A resource of the chip that this driver shares with the firmware and with the driver of the other port.
/// Owns `resources` (SwFwSync::kEep, ...) from construction to destruction, if it got them. Two steps: a semaphore
/// guards SW_FW_SYNC, and SW_FW_SYNC says who owns what. Cost: some 10 MMIO accesses each way when nobody else has
/// them. Source: [linux ixgbe] for the 82599 (SWSM.SMBI, SWSM.SWESMBI) and the X540 (SWSM.SMBI, SW_FW_SYNC.REGSMP).
template <class Chip, reg::RegisterIo Io, Clock C>
class ResourceLock {
 public:
  /// Waits up to `limit`; `owned()` tells how it ended.
  ResourceLock(reg::Device<Io, C>& device, std::uint32_t resources, Nanos limit = 1_s) noexcept
      : device_(device), bar_(device.bar), resources_(resources) {
    owned_ = reg::try_wait_until(device_.clock, {.limit = limit, .step = 5_ms}, [&] { return try_own(); });
  }
  ResourceLock(const ResourceLock&) = delete;
  ResourceLock& operator=(const ResourceLock&) = delete;
  ~ResourceLock() {
    if (owned_) release();
  }
  [[nodiscard]] bool owned() const noexcept { return owned_; }

  /// Takes the resources from whoever has them: a driver that died with them never gives them back. [dpdk ixgbe]
  void seize() noexcept {
    if (owned_) return;
    unlock_table();  // no use waiting for it
    owned_ = true;
    release();
    owned_ = false;
  }

 private:
  static constexpr reg::Deadline kTableDeadline{.limit = 100_ms, .step = 50_us};

  bool try_own() noexcept {
    if (!lock_table()) return false;
    const auto table = bar_.template read<SwFwSync>();
    const bool free = ((table[SwFwSync::sw] | table[SwFwSync::fw]) & resources_) == 0;
    if (free) bar_.write(SwFwSync::sw.from(table[SwFwSync::sw] | resources_).applied_to(table));
    unlock_table();
    return free;
  }
  void release() noexcept {
    (void)lock_table();  // the bits are ours whether or not we get it
    const auto table = bar_.template read<SwFwSync>();
    bar_.write(SwFwSync::sw.from(table[SwFwSync::sw] & ~resources_).applied_to(table));
    unlock_table();
  }

  /// The read that finds SMBI (or REGSMP) clear sets it. False: somebody kept it for the whole deadline.
  bool lock_table() noexcept {
    const bool first =
        reg::try_wait_until(device_.clock, kTableDeadline, [&] { return !bar_.template read<Swsm>()[Swsm::smbi]; });
    if (!first) return false;
    const bool second = reg::try_wait_until(device_.clock, kTableDeadline, [&] {
      if constexpr (Chip::kRegisterSemaphore) {
        return !bar_.template read<SwFwSync>()[SwFwSync::regsmp];
      } else {
        bar_.write(Swsm::smbi(true) | Swsm::swesmbi(true));
        return bar_.template read<Swsm>()[Swsm::swesmbi];
      }
    });
    if (!second) bar_.write(Swsm::smbi(false) | Swsm::swesmbi(false));
    return second;
  }
  void unlock_table() noexcept {
    if constexpr (Chip::kRegisterSemaphore) bar_.modify(SwFwSync::regsmp(false));
    bar_.write(Swsm::smbi(false) | Swsm::swesmbi(false));
  }

  reg::Device<Io, C>& device_;
  reg::Bar<Io> bar_;
  std::uint32_t resources_;
  bool owned_ = false;
};

/// 10 Gbit/s serial to the module in the cage, its laser on. Pre: MAC_CSR is owned, as firmware writes AUTOC too.
/// NOTE(missing): the module's own set-up data (NVM list 0x2B) and 1 Gbit/s modules; we leave both alone.
template <reg::RegisterIo Io>
void set_up_sfi(reg::Bar<Io> bar) noexcept {
  bar.modify(Esdp::sdp3_out(true) | Esdp::sdp3(false));
  bar.modify(Autoc2::pma_10g_serial(2) | Autoc2::link_disable(0));
  bar.modify(Autoc::lms(3));
  bar.modify(Autoc::restart_an(true));
}

/// Negotiation from the beginning, of what the NVM has put into AUTOC. Pre: as above.
template <reg::RegisterIo Io>
void set_up_backplane(reg::Bar<Io> bar) noexcept {
  bar.modify(Autoc2::link_disable(0));
  bar.modify(Autoc::restart_an(true));
}

/// Begins to get a link; wait_for_link tells when there is one. Fixed links and CX4 are as the NVM load after the reset
/// has made them, and a PHY negotiates by itself. [linux ixgbe]
/// Errors: raises EBUSY when the firmware does not let go of AUTOC.
template <class Chip, reg::RegisterIo Io, Clock C>
void set_up_link(reg::Device<Io, C>& device, Media media) {
  if (media != Media::kSfi && media != Media::kBackplane) return;
  const ResourceLock<Chip, Io, C> lock(device, SwFwSync::kMacCsr);
  if (!lock.owned()) {
    raise({.code = EBUSY,
           .operation = "set up the link of",
           .object = device.name,
           .where = text::cat("SW_FW_SYNC ", text::hex(device.bar.template read<SwFwSync>().bits, 8)),
           .remedy = "firmware or the driver of the other port owns MAC_CSR"});
  }
  if (media == Media::kSfi) {
    set_up_sfi(device.bar);
  } else {
    set_up_backplane(device.bar);
  }
}

/// LINKS twice: the first read gives, and ends, what was latched. Cost: 2 MMIO reads.
template <reg::RegisterIo Io, Clock C>
LinkState read_link(reg::Device<Io, C>& device) noexcept {
  constexpr std::uint32_t kMbps[] = {0, 100, 1'000, 10'000};
  (void)device.bar.template read<Links>();
  const auto links = device.bar.template read<Links>();
  if (links.bits == ~0u || !links[Links::up]) return {};  // all ones: the device is gone
  return {.up = true, .full_duplex = true, .speed_mbps = kMbps[links[Links::speed]]};
}

/// What the registers say of the link, for messages.
template <reg::RegisterIo Io, Clock C>
std::string describe_link(reg::Device<Io, C>& device) {
  const auto say = [&]<class R>(std::type_identity<R>) {
    return text::cat(R::kName, " ", text::hex(device.bar.template read<R>().bits, 8));
  };
  return text::cat(say(std::type_identity<Autoc>{}), ", ", say(std::type_identity<Autoc2>{}), ", ",
                   say(std::type_identity<Links>{}), ", ", say(std::type_identity<Esdp>{}));
}

/// Waits until the link is up. Errors: raises ETIMEDOUT with what the link registers say.
template <reg::RegisterIo Io, Clock C>
LinkState wait_for_link(reg::Device<Io, C>& device, Nanos limit, Media media) {
  LinkState state;
  const bool up = reg::try_wait_until(device.clock, {.limit = limit, .step = 10_ms}, [&] {
    state = read_link(device);
    return state.up;
  });
  if (up) return state;
  const bool empty = media == Media::kSfi && !device.bar.template read<Esdp>()[Esdp::sdp2];
  raise({.code = ETIMEDOUT,
         .operation = "get a link on",
         .object = device.name,
         .where = text::cat("down for ", limit.count / 1'000'000, " ms: ", describe_link(device)),
         .remedy = empty ? "ESDP.SDP2 reads 0: is there a module in the cage? else check the link partner"
                         : "check the cable and the link partner"});
}

}  // namespace pollux::ixgbe
