// SPDX-License-Identifier: BSD-3-Clause
// The contract of PollModePort on two emulated 82574s.
#include <pollux/e1000/port.hpp>

#include "contract_lab.hpp"

namespace contract {
namespace {

struct E82574 {
  using Config = e1000::Config;
  template <class Backend>
  using Port = e1000::Port<e1000::I82574, Backend>;
  static constexpr std::uint32_t kMinRing = e1000::I82574::kMinRing;
  static constexpr reg::Index kQueue{0};

  static bool idle(const reg::Bar<reg::Mmio>& bar) {
    return bar.read<e1000::Tdh>(kQueue).bits == bar.read<e1000::Tdt>(kQueue).bits;
  }
  static std::uint32_t head(const reg::Bar<reg::Mmio>& bar) { return bar.read<e1000::Rdh>(kQueue).bits; }
  static void hold(const reg::Bar<reg::Mmio>& bar, bool hold) {
    bar.modify(e1000::Tctl::en.from(!hold));
    if (!hold) bar.write<e1000::Tdt>(kQueue, bar.read<e1000::Tdt>(kQueue));  // look again
  }
};
INSTANTIATE_TYPED_TEST_SUITE_P(Lab, PortContract, Rigs<E82574>, Names);

}  // namespace
}  // namespace contract
