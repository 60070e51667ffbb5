// SPDX-License-Identifier: BSD-3-Clause
// The contract of PollModePort on two 82599s that pollux-simnic serves to the guest.
#include <pollux/ixgbe/port.hpp>

#include "contract_lab.hpp"

namespace contract {
namespace {

struct E82599 {
  using Config = ixgbe::Config;
  template <class Backend>
  using Port = ixgbe::Port<ixgbe::I82599, Backend>;
  static constexpr std::uint32_t kMinRing = ixgbe::I82599::kMinRing;
  static constexpr reg::Index kQueue{0};

  static bool idle(const reg::Bar<reg::Mmio>& bar) {
    return bar.read<ixgbe::Tdh>(kQueue).bits == bar.read<ixgbe::Tdt>(kQueue).bits;
  }
  static std::uint32_t head(const reg::Bar<reg::Mmio>& bar) { return bar.read<ixgbe::Rdh>(kQueue).bits; }
  static void hold(const reg::Bar<reg::Mmio>& bar, bool hold) { bar.modify(ixgbe::Dmatxctl::te.from(!hold)); }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Lab, PortContract, Rigs<E82599>, Names);

}  // namespace
}  // namespace contract
