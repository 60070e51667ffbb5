// SPDX-License-Identifier: BSD-3-Clause
// The 82576 model's receive packet buffer: frames into the driver's buffers, completions.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <pollux/igb/model_device.hpp>

namespace pollux::igb {

/// Delivers stored frames in order. One that finds no descriptors, on a queue without DROP_EN, holds up all behind it.
inline bool Model82576::drain() noexcept {
  awaiting_ = false;
  bool moved = false;
  while (!fifo_.empty() && may_access_memory() && deliver(fifo_.front())) {
    fifo_bytes_ -= fifo_.front().bytes.size();
    fifo_.pop_front();
    moved = true;
  }
  control_flow(fifo_bytes_);
  return moved;
}

/// To its queue, or dropped there. False: it must wait.
inline bool Model82576::deliver(const model::Stored& frame) noexcept {
  using namespace model;
  const std::uint32_t q = frame.queue, base = rx_base(q);
  RxRing& ring = rx_[q];
  if (!ring.runs() || ring.buffer_bytes == 0) return true;  // dropped, uncounted
  const std::size_t room = ring.buffer_bytes;
  const auto need = static_cast<std::uint32_t>((frame.bytes.size() + room - 1) / room);
  if (ring.available() < need) see_tail(ring, base);
  if (ring.available() < need) {
    const bool never = need >= ring.count;
    if (never) descriptor_fault("RX", q, ring.head, "a frame has more buffers than the ring", frame.bytes.size());
    if (never || is(base + queue::kSrrctl, kDropEn)) return count(base + queue::kDropped), true;
    count(stat::kRnbc);
    return false;
  }
  awaiting_ = awaits_descriptors(ring, need);
  if (awaiting_) return false;
  write_frame(q, frame);
  return true;
}

/// Into as many buffers as it takes; the last descriptor alone says what was found. Pre: the ring has them.
inline void Model82576::write_frame(std::uint32_t q, const model::Stored& frame) noexcept {
  using namespace model;
  using namespace model::advanced;
  RxRing& ring = rx_[q];
  ConstBytes rest = frame.bytes;
  for (bool last = false; !last;) {
    const std::uint64_t at = ring.at(ring.head);
    const std::byte* memory = fetch_descriptor(ring, "RX descriptor");
    if (memory == nullptr) return;
    const RawDescriptor d = RawDescriptor::load(memory);
    if ((d.qw1 & 1) != 0 && !quirk(Quirk::kLinuxRxWriteBackLeft)) {
      descriptor_fault("RX", q, ring.head, "DD (bit 0 of the header address) is 0 when it is posted", d.qw1);
    }
    const std::size_t part = std::min<std::size_t>(rest.size(), ring.buffer_bytes);
    last = part == rest.size();
    release_fetched(at, kDescriptorBytes);
    if (!store(d.qw0, rest.first(part), "RX buffer")) {
      ring.dead = true;
      return;
    }
    rest = rest.subspan(part);
    const RxReport report = last ? frame.report : RxReport{};
    const std::uint64_t status = kRxDd | (last ? kRxEop : 0) | report.status | report.errors;
    (void)publish(at, (report.rss_type | report.packet_type) | std::uint64_t{report.hash} << 32,
                  status | std::uint64_t{part} << 32 | std::uint64_t{report.vlan} << 48, "RX descriptor");
    ring.head = ring.next(ring.head);
    if (ring.warn_at != 0 && ring.available() == ring.warn_at) {
      count(stat::kIcrxdmtc);
      raise_cause(cause::kRxdmt0);
    }
  }
  poke(rx_base(q) + queue::kHead, ring.head);
  raise_queue(q, false);
}

}  // namespace pollux::igb
