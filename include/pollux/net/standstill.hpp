// SPDX-License-Identifier: BSD-3-Clause
// What a queue shows when its device's writes do not reach memory: head and tail registers held against the rings.
#pragma once
#include <cstdint>
#include <string>

#include <pollux/core/clock.hpp>
#include <pollux/core/error.hpp>
#include <pollux/dma/buffers.hpp>

namespace pollux {

/// Head and tail registers of a queue [descriptors].
struct QueueRegisters {
  std::uint32_t tx_head = 0;
  std::uint32_t tx_tail = 0;
  std::uint32_t rx_head = 0;
  std::uint32_t rx_tail = 0;
};

/// Whether a started queue is seen to stand still: descriptors were given for sending and for 10 ms neither is one
/// reported done nor does TDH move; or none is left for receiving and none was reported done. A working device shows
/// neither. Not to be seen here, only in the IOMMU's log: receiving that is cut off while descriptors are left, and
/// buffers out of reach of a device that still reaches its rings ([quirk qemu] then counts frames as sent).
/// `look()` reads the registers. What was posted is published, what is sent is reaped.
/// Errors: ENETDOWN (frames wait for the link), EIO. Cost: 4 MMIO reads; on suspicion 4 more and 10 ms.
template <class Rx, class Tx, Clock C, class Look>
[[nodiscard]] Result<Done> try_check_queue(const std::string& port, Rx& rx, Tx& tx, const BufferStore& pool, C& clock,
                                           bool link_up, Look look) {
  constexpr Nanos kPatience{10'000'000};  // eight frames of 1518 bytes at 10 Mbit/s
  tx.publish();
  (void)tx.reap(tx.in_use());
  const std::uint32_t waiting = tx.in_use();
  // With buffers at hand and nothing to harvest, rx_ready is false only while it takes descriptors to be the device's.
  const auto dry = [&](const QueueRegisters& seen) {
    return seen.rx_head == seen.rx_tail && !rx.rx_ready() && pool.free_count() > 0;
  };
  const QueueRegisters before = look();
  const bool was_dry = dry(before);
  if (waiting == 0 && !was_dry) return Done{};
  if (waiting != 0 && !link_up) {
    return Failure{.code = ENETDOWN,
                   .operation = "send by",
                   .object = port,
                   .where = text::cat(waiting, " descriptors wait for the link"),
                   .remedy = "look at the cable and at the other end; they are sent when it comes"};
  }
  clock.pause(kPatience);
  const QueueRegisters now = look();
  std::string where;
  if (waiting != 0 && tx.reap(waiting) == 0 && now.tx_head == before.tx_head) {
    where = text::cat("TDH ", now.tx_head, ", TDT ", now.tx_tail, ", and of ", waiting,
                      " descriptors given for sending none is reported done");
  } else if (was_dry && dry(now) && now.rx_tail == before.rx_tail) {
    where = text::cat("RDH ", now.rx_head, ", RDT ", now.rx_tail,
                      ": all descriptors for receiving are used up, and none is reported done");
  } else {
    return Done{};
  }
  return Failure{.code = EIO,
                 .operation = "move frames through",
                 .object = port,
                 .where = std::move(where),
                 .remedy =
                     "it does not reach its rings in memory, as when an IOMMU stops it (dmesg | grep -E "
                     "'DMAR|AMD-Vi|smmu'); stop() and start() set them up again"};
}

}  // namespace pollux
