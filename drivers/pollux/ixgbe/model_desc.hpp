// SPDX-License-Identifier: BSD-3-Clause
// Descriptors as the 82599 model reads and writes them: what it does not share with its relatives.
#pragma once
#include <cstdint>

#include <pollux/ixgbe/model_regs.hpp>
#include <pollux/sim/advanced.hpp>
#include <pollux/sim/advanced_tx.hpp>

namespace pollux::ixgbe::model {

using namespace sim::advanced;

inline constexpr std::uint32_t kMaxDescriptors = 8192, kRingGranule = 128;
inline constexpr std::size_t kMaxTxFrame = 15'872, kMaxTso = 256 * 1024;  // 15.5 KB;

inline constexpr std::uint32_t kRxLe = bit(25), kRxOse = bit(28), kRxRxe = bit(29), kRxTcpe = bit(30), kRxIpe = bit(31);

}  // namespace pollux::ixgbe::model
