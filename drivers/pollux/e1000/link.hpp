// SPDX-License-Identifier: BSD-3-Clause
// Link of the 82574: PHY access, link state, waiting for it with what the registers say when it does not come.
#pragma once
#include <string>

#include <pollux/e1000/regs.hpp>
#include <pollux/net/link.hpp>
#include <pollux/reg/wait.hpp>

namespace pollux::e1000 {

/// Registers of the PHY that this driver looks at. [IEEE 802.3 clause 22]
enum class PhyRegister : std::uint32_t { kBmcr = 0, kBmsr = 1, kAnlpar = 5, kStat1000 = 10 };

/// One PHY register. Errors: raises when MDIC does not get ready or reports an error. [8254x 13.4.7]
template <reg::RegisterIo Io, Clock C>
std::uint16_t read_phy(reg::Device<Io, C>& device, PhyRegister which) {
  constexpr std::uint32_t kInternalPhy = 1, kRead = 2;
  device.bar.write(Mdic::regadd.from(static_cast<std::uint32_t>(which)) | Mdic::phyadd(kInternalPhy) | Mdic::op(kRead));
  reg::Value<Mdic> done{};
  reg::wait_until<Mdic>(device, {.limit = 100_ms, .step = 50_us}, "read the PHY of",
                        [&](reg::Value<Mdic> v) { return (done = v)[Mdic::ready]; });
  if (done[Mdic::error]) {
    raise({.code = EIO,
           .operation = "read the PHY of",
           .object = device.name,
           .where = text::cat("MDIC ", text::hex(done.bits, 8), " reports an error"),
           .remedy = {}});
  }
  return static_cast<std::uint16_t>(done[Mdic::data]);
}

/// Cost: 1 MMIO read.
template <reg::RegisterIo Io, Clock C>
LinkState read_link(reg::Device<Io, C>& device) noexcept {
  constexpr std::uint32_t kMbps[] = {10, 100, 1000, 1000};
  const auto status = device.bar.template read<Status>();
  if (status.bits == ~0u || !status[Status::lu]) return {};  // all ones: the device is gone
  return {.up = true, .full_duplex = status[Status::fd], .speed_mbps = kMbps[status[Status::speed]]};
}

/// What STATUS and the PHY say of the link, for messages.
template <reg::RegisterIo Io, Clock C>
std::string describe_link(reg::Device<Io, C>& device) {
  const auto phy = [&](PhyRegister r) { return text::hex(read_phy(device, r), 4); };
  return text::cat("STATUS ", text::hex(device.bar.template read<Status>().bits, 8), ", BMCR ", phy(PhyRegister::kBmcr),
                   ", BMSR ", phy(PhyRegister::kBmsr), ", ANLPAR ", phy(PhyRegister::kAnlpar), ", 1000BASE-T status ",
                   phy(PhyRegister::kStat1000));
}

/// Waits until the link is up. Errors: raises ETIMEDOUT with what the link registers say.
template <reg::RegisterIo Io, Clock C>
LinkState wait_for_link(reg::Device<Io, C>& device, Nanos limit) {
  LinkState state;
  const bool up = reg::try_wait_until(device.clock, {.limit = limit, .step = 10_ms}, [&] {
    state = read_link(device);
    return state.up;
  });
  if (up) return state;
  raise({.code = ETIMEDOUT,
         .operation = "get a link on",
         .object = device.name,
         .where = text::cat("down for ", limit.count / 1'000'000, " ms: ", describe_link(device)),
         .remedy = "check the cable and the link partner"});
}

}  // namespace pollux::e1000
