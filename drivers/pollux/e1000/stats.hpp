// SPDX-License-Identifier: BSD-3-Clause
// Statistics of the 82574: 32-bit counters that clear on read, gathered into 64 bits.
#pragma once
#include <pollux/e1000/regs.hpp>
#include <pollux/net/stats.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::e1000 {

/// Adds what the device counted since the last call to `sum`. Must run before a counter sticks: at 1 Gbit/s at least
/// every 48 minutes. [8254x 13.7] A device that is gone counts nothing. Cost: 15 MMIO reads.
template <reg::RegisterIo Io>
void gather_stats(reg::Bar<Io> bar, PortStats& sum) noexcept {
  constexpr std::uint64_t kFcs = 4;
  PortStats now;
  const auto take = [&]<class R>(std::type_identity<R>) -> std::uint64_t { return bar.template read<R>()[R::count]; };
  const std::uint64_t rx = take(std::type_identity<Gprc>{}), tx = take(std::type_identity<Gptc>{});
  now.rx_packets += rx;
  now.tx_packets += tx;
  now.rx_bytes += bar.template read_pair<Gorcl, Gorch>() - kFcs * rx;
  now.tx_bytes += bar.template read_pair<Gotcl, Gotch>() - kFcs * tx;
  now.rx_missed += take(std::type_identity<Mpc>{});
  now.rx_errors += take(std::type_identity<Crcerrs>{}) + take(std::type_identity<Rlec>{}) +
                   take(std::type_identity<Rxerrc>{}) + take(std::type_identity<Algnerrc>{}) +
                   take(std::type_identity<Cexterr>{});
  now.tx_errors += take(std::type_identity<Ecol>{}) + take(std::type_identity<Latecol>{});
  if (bar.template read<Status>().bits == ~0u) return;  // all of it was all ones
  sum += now;
}

/// Forgets what was counted so far (bring-up leaves frames of an earlier owner in the counters).
template <reg::RegisterIo Io>
void clear_stats(reg::Bar<Io> bar) noexcept {
  PortStats unwanted;
  gather_stats(bar, unwanted);
  (void)bar.template read<Rnbc>();
}

}  // namespace pollux::e1000
