// SPDX-License-Identifier: BSD-3-Clause
// The 82576 model's quirks: what a driver does against the datasheet; and the register table as they leave it.
#pragma once
#include <cstdint>
#include <iterator>
#include <vector>

#include <pollux/igb/model_regs.hpp>

namespace pollux::igb {

/// What a widely used driver does though it should not. Each is a bit; all are off by default. In brackets the file and
/// function that was seen to do it: of Linux's igb in 6.12 and 7.3, of DPDK's e1000 in 24.11.
enum class Quirk : std::uint32_t {
  kNone = 0,
  kLinuxRxWriteBackLeft = 1 << 0,  ///< receive descriptors are given again with what was reported in them, DD too
                                   ///< [igb_main.c, igb_alloc_rx_buffers]
  kLinuxTestsRegisters = 1 << 1,   ///< STATUS and bits that do not exist are written, and ignored; rings get nonsense
                                   ///< bases and lengths and tails beyond them [igb_ethtool.c, igb_reg_test]
  kLinuxReadsTsicr = 1 << 2,    ///< TSICR of the 82580 and later is read, and gives 0 [igb_main.c, __igb_open, igb_up]
  kDpdkSetsUpWhileOn = 1 << 3,  ///< queue 0 is set up while it is on, as after a reset, and then turned on
                                ///< [igb_rxtx.c, eth_igb_rx_init, eth_igb_tx_init]
  kDpdkLowBits = 1 << 4,  ///< FCRTL and FCRTH bits 3:0, EITR bits 1:0 and 15 are written, and ignored [igb_ethdev.c,
                          ///< igb_hardware_init, eth_igb_start]
};
constexpr Quirk operator|(Quirk a, Quirk b) noexcept {
  return static_cast<Quirk>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

/// All that Linux's igb needs.
inline constexpr Quirk kLinuxQuirks =
    Quirk::kLinuxRxWriteBackLeft | Quirk::kLinuxTestsRegisters | Quirk::kLinuxReadsTsicr;

/// All that DPDK's net_e1000_igb needs.
inline constexpr Quirk kDpdkQuirks = Quirk::kDpdkSetsUpWhileOn | Quirk::kDpdkLowBits;

namespace model {

/// Bits that a quirk lets a driver write and that then stay as they were.
struct IgnoredBits {
  Quirk quirk;
  std::uint32_t offset, count, stride, bits;
};
inline constexpr IgnoredBits kIgnoredBits[] = {
    {Quirk::kLinuxTestsRegisters, kStatus, 1, 4, ~0u},
    {Quirk::kLinuxTestsRegisters, kFcah, 1, 4, bits(31, 16)},
    {Quirk::kLinuxTestsRegisters, kFct, 1, 4, bits(31, 16)},
    {Quirk::kLinuxTestsRegisters, kRal + 4, 16, 8, bits(30, 26)},
    {Quirk::kLinuxTestsRegisters, 0x54E4, 8, 8, bits(30, 26)},
    {Quirk::kDpdkLowBits, kFcrtl, 1, 4, bits(3, 0)},
    {Quirk::kDpdkLowBits, kFcrth, 1, 4, bits(3, 0)},
    {Quirk::kDpdkLowBits, kEitr, kVectors, 4, bits(1, 0) | bit(15)},
};

/// The register table as the quirks leave it, with the second addresses of queues 0 to 3. Apart, because it must be
/// there before the base class.
struct QuirkedTable {
  explicit QuirkedTable(Quirk quirks) : specs(std::begin(kRegisters), std::end(kRegisters)) {
    specs.insert(specs.end(), std::begin(kStatistics), std::end(kStatistics));
    for (const sim::RegSpec& spec : kRegisters) add_second_address(spec);
    if (has(quirks, Quirk::kLinuxReadsTsicr))
      specs.push_back({.name = "TSICR", .mode = sim::Mode::kRO, .offset = kTsicr});
    for (sim::RegSpec& spec : specs) {
      for (const IgnoredBits& ignored : kIgnoredBits) {
        if (!has(quirks, ignored.quirk) || spec.offset != ignored.offset) continue;
        spec.mask |= ignored.bits;
        if (spec.mode == sim::Mode::kRO) spec.mode = sim::Mode::kRW;
      }
    }
  }
  static constexpr bool has(Quirk set, Quirk one) noexcept {
    return (static_cast<std::uint32_t>(set) & static_cast<std::uint32_t>(one)) != 0;
  }
  std::vector<sim::RegSpec> specs;

 private:
  void add_second_address(const sim::RegSpec& spec) {
    if (spec.stride != kQueueStride) return;
    sim::RegSpec low = spec;
    low.offset = spec.offset >= kTx ? kTxLow + (spec.offset - kTx) : kRxLow + (spec.offset - kRx);
    low.count = kLowQueues;
    low.stride = kLowStride;
    specs.push_back(low);
  }
};

}  // namespace model
}  // namespace pollux::igb
