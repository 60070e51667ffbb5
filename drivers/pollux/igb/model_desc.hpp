// SPDX-License-Identifier: BSD-3-Clause
// Descriptors and PHY of the 82576 model: what it does not share with its relatives.
#pragma once
#include <cstddef>
#include <cstdint>

#include <pollux/igb/model_regs.hpp>
#include <pollux/sim/advanced.hpp>
#include <pollux/sim/advanced_tx.hpp>
#include <pollux/sim/mii_phy.hpp>

namespace pollux::igb::model {

namespace advanced = sim::advanced;

inline constexpr std::uint32_t kRingGranule = 128;  ///< of a ring's address and length [bytes]
/// Errors of a written-back receive descriptor. [82576 RX advanced]
inline constexpr std::uint32_t kRxL4e = bit(29), kRxIpe = bit(30);
inline constexpr std::uint32_t kRxIpidv = bit(9);

inline constexpr std::size_t kMaxTxFrame = 9728 - 4;  ///< [bytes]
inline constexpr std::size_t kMaxTso = 256 * 1024;    ///< [bytes]
inline constexpr std::size_t kLeastPayload = 17;      ///< with TCTL.PSP [bytes; linux igb, igb_xmit_frame]

// ---- PHY [IEEE 802.3 clause 22; the IGP3 inside as linux igb knows it] ---------------------------------------------

namespace phy {
inline constexpr std::uint32_t kAddress = 1;
inline constexpr sim::MiiPhy::Spec kRegisters[] = {
    {0, 0x7D40, 0x1140},   // BMCR; RESET and AN_RESTART clear themselves
    {1, 0, 0x7949},        // BMSR
    {2, 0, 0x02A8},        // id
    {3, 0, 0x0391},        // id
    {4, 0xFFFF, 0x0DE1},   // ANAR
    {5, 0, 0},             // ANLPAR
    {6, 0, 0},             // ANER
    {7, 0xFFFF, 0x2001},   // next page
    {8, 0, 0},             // partner's next page
    {9, 0xFFFF, 0x0F00},   // 1000BASE-T control
    {10, 0, 0},            // 1000BASE-T status
    {15, 0, 0x3000},       // extended status
    {16, 0xFFFF, 0x0120},  // port configuration
    {17, 0, 0x0000},       // port status: C000 with a link: 1000 Mbit/s
    {18, 0xFFFF, 0x0000},  // port control: MDI-X
    {19, 0, 0x0000},       // link health
    {25, 0xFFFF, 0x0000},  // power management
    {31, 0xFFFF, 0x0000},  // page select
    // On pages: what Linux reads when there is a link. NOTE(missing): meaning beyond that.
    {20, 0, 0x0000, 0x00A0},  // polarity
    {17, 0, 0x0800, 0x11A0},  // gain of the four pairs, from which it takes the cable's length
    {17, 0, 0x0800, 0x12A0},
    {17, 0, 0x0800, 0x14A0},
    {17, 0, 0x0800, 0x18A0},
};
/// Software writes the whole number of a register into the page register; its low five bits are the register's.
inline constexpr sim::MiiPhy::Chip kChip{.registers = kRegisters,
                                         .page_register = 31,
                                         .page_mask = 0xFFE0,
                                         .status = 17,
                                         .status_up = 0xC000,
                                         .status_down = 0x0000};
}  // namespace phy

}  // namespace pollux::igb::model
