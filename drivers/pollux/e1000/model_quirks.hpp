// SPDX-License-Identifier: BSD-3-Clause
// The 82574 model's quirks: what an emulator or a driver does against the datasheet, and what that changes in the
// table.
#pragma once
#include <cstdint>
#include <iterator>
#include <vector>

#include <pollux/e1000/model_regs.hpp>

namespace pollux::e1000 {

/// What an emulator or a widely used driver does against the datasheet. Each is a bit; all are off by default.
enum class Quirk : std::uint32_t {
  kNone = 0,
  kQemuVetLostOnReset = 1 << 0,    ///< CTRL.RST leaves VET 0 [quirk qemu, T]
  kQemuSmbiTakenAtReset = 1 << 1,  ///< SWSM.SMBI is set after power-on [quirk qemu, T]
  kQemuEewrDoneInEerd = 1 << 2,    ///< EEWR completes in EERD.DONE; EEWR.DONE is always set [quirk qemu, T]
  kQemuLinkUpAtReset = 1 << 3,     ///< no negotiation after CTRL.RST [quirk qemu, T]
  kQemuPoptsOfLast = 1 << 4,       ///< POPTS count in the last data descriptor, not the first [quirk qemu, T]
  kQemuPadsReceived = 1 << 5,      ///< frames under 60 bytes are padded and delivered, not dropped [quirk qemu, T]
  kQemuNoTxPadding = 1 << 6,       ///< TCTL.PSP does nothing [quirk qemu, T]
  kQemuNoPause = 1 << 7,           ///< PAUSE frames are neither sent nor obeyed [quirk qemu, S]
  // Linux's e1000e, as 6.12 and 7.3 were seen to do; in brackets its file and function.
  kLinuxWritesReservedIam = 1 << 8,  ///< IAM is written all ones [netdev.c, e1000_configure_rx]
  kLinuxRxWriteBackLeft = 1 << 9,    ///< receive descriptors are given with what the last completion left in them, but
                                     ///< for DD [netdev.c, e1000_clean_rx_irq]
  kLinuxRingWhileReceiving = 1 << 10,  ///< a receive ring that has no descriptor of the device's is set up with RCTL.EN
                                       ///< set [netdev.c, e1000_setup_rctl before e1000_configure_rx; 82571.c,
                                       ///< FLAG2_NO_DISABLE_RX]
  kLinuxTestsReservedCauses = 1 << 11,  ///< ICS and IMS take bits 5, 8 and 10, and ICR shows them: its test expects 5
                                        ///< and 8 to interrupt as the others do [ethtool.c, e1000_intr_test]
  kLinuxTestsRegisters = 1 << 12,  ///< STATUS, bits that do not exist, and low bits of rings' bases and lengths are
                                   ///< written, and ignored [ethtool.c, e1000_reg_test]
  kLinuxTxDoneLeft = 1 << 13,      ///< transmit descriptors are given again with DD in them [ethtool.c,
                                   ///< e1000_run_loopback_test]
};
constexpr Quirk operator|(Quirk a, Quirk b) noexcept {
  return static_cast<Quirk>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

/// All that Linux's e1000e needs.
inline constexpr Quirk kLinuxQuirks = Quirk::kLinuxWritesReservedIam | Quirk::kLinuxRxWriteBackLeft |
                                      Quirk::kLinuxRingWhileReceiving | Quirk::kLinuxTestsReservedCauses |
                                      Quirk::kLinuxTestsRegisters | Quirk::kLinuxTxDoneLeft;

namespace model {

/// Bits that a quirk lets a driver write and that then stay as they were.
struct IgnoredBits {
  std::uint32_t offset, count, stride, bits;
};
inline constexpr IgnoredBits kTestedByLinux[] = {
    {Status::offset(), 1, 4, ~0u},       {Fcah::offset(), 1, 4, bits(31, 16)}, {Fct::offset(), 1, 4, bits(31, 16)},
    {Vet::offset(), 1, 4, bits(31, 16)}, {Rdtr::offset(), 1, 4, bits(30, 16)}, {Rah::offset(), 16, 8, bits(30, 18)},
};

/// The register table as the quirks leave it. Apart, because it must be there before the base class.
struct QuirkedTable {
  explicit QuirkedTable(Quirk quirks) : specs(std::begin(kModelRegisters), std::end(kModelRegisters)) {
    specs.insert(specs.end(), std::begin(sim::gigabit::kStatistics), std::end(sim::gigabit::kStatistics));
    for (sim::RegSpec& spec : specs) {
      if (spec.offset == Iam::offset() && has(quirks, Quirk::kLinuxWritesReservedIam)) spec.mask = ~0u;
      if ((spec.offset == Icr::offset() || spec.offset == Ics::offset() || spec.offset == Ims::offset()) &&
          has(quirks, Quirk::kLinuxTestsReservedCauses)) {
        spec.mask |= cause::kReserved;
      }
      for (const IgnoredBits& ignored : kTestedByLinux) {
        if (!has(quirks, Quirk::kLinuxTestsRegisters) || spec.offset != ignored.offset) continue;
        spec.mask |= ignored.bits;
        if (spec.mode == sim::Mode::kRO) spec.mode = sim::Mode::kRW;
      }
      if (spec.offset == Swsm::offset() && has(quirks, Quirk::kQemuSmbiTakenAtReset)) spec.reset = 1;
    }
  }
  static constexpr bool has(Quirk set, Quirk one) noexcept {
    return (static_cast<std::uint32_t>(set) & static_cast<std::uint32_t>(one)) != 0;
  }
  std::vector<sim::RegSpec> specs;
};

}  // namespace model
}  // namespace pollux::e1000
