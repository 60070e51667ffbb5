// SPDX-License-Identifier: BSD-3-Clause
// Statistics of 82599 and X540: 32-bit and 36-bit counters that clear on read, gathered into 64 bits.
#pragma once
#include <pollux/ixgbe/regs.hpp>
#include <pollux/net/stats.hpp>
#include <pollux/reg/bar.hpp>

namespace pollux::ixgbe {

/// Adds what the device counted since the last call to `sum`. Must run before a counter wraps: at 10 Gbit/s at least
/// every 50 seconds, when 36 bits of bytes are full. Pre: RQSMR maps every queue to counter 0, which thus sums them up.
/// QPRC and not GPRC, because GPRC includes the frames missed; QBRC is without FCS as it is stripped, GOTC is with it.
/// NOTE(missing): whether ILLERRC and ERRBC count frames that CRCERRS counts too; we leave them out.
/// A device that is gone counts nothing. Cost: 15 MMIO reads.
template <reg::RegisterIo Io>
void gather_stats(reg::Bar<Io> bar, PortStats& sum) noexcept {
  constexpr std::uint64_t kFcs = 4;
  PortStats now;
  constexpr reg::Index kAll{0};
  const auto take = [&]<class R>(std::type_identity<R>) -> std::uint64_t {
    if constexpr (reg::RegisterArray<R>) {
      return bar.template read<R>(kAll)[R::count];
    } else {
      return bar.template read<R>()[R::count];
    }
  };
  const std::uint64_t tx = take(std::type_identity<Gptc>{});
  now.rx_packets += take(std::type_identity<Qprc>{});
  now.rx_bytes += bar.template read_pair<QbrcL, QbrcH>();  // of element 0
  now.tx_packets += tx;
  now.tx_bytes += bar.template read_pair<Gotcl, Gotch>() - kFcs * tx;
  now.rx_missed += take(std::type_identity<Mpc>{}) + take(std::type_identity<Qprdc>{});
  now.rx_errors += take(std::type_identity<Crcerrs>{}) + take(std::type_identity<Rlec>{}) +
                   take(std::type_identity<Ruc>{}) + take(std::type_identity<Rfc>{}) + take(std::type_identity<Roc>{}) +
                   take(std::type_identity<Rjc>{});
  if (bar.template read<Status>().bits == ~0u) return;  // all of it was all ones
  sum += now;
}

/// Forgets what was counted so far (bring-up leaves frames of an earlier owner in the counters).
template <reg::RegisterIo Io>
void clear_stats(reg::Bar<Io> bar) noexcept {
  PortStats unwanted;
  gather_stats(bar, unwanted);
}

}  // namespace pollux::ixgbe
