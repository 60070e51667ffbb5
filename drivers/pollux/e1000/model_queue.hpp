// SPDX-License-Identifier: BSD-3-Clause
// The 82574 model's descriptor rings, of both directions: registers, tails, descriptors.
#pragma once
#include <array>
#include <cstdint>

#include <pollux/e1000/model_device.hpp>

namespace pollux::e1000 {

/// Whether descriptors of the ring are the device's.
inline bool Model82574::has_posted(const Ring& ring) noexcept { return peek(ring.head) != peek(ring.tail); }

/// A write to one of a ring's registers. The tail is a doorbell; the others must not change under a running queue.
inline bool Model82574::on_ring_write(Ring& ring, std::uint32_t control, bool enabled, std::uint32_t at,
                                      std::uint32_t old, std::uint32_t v) noexcept {
  if (at == ring.tail) return (void)work(), true;
  if (at != ring.low && at != ring.high && at != ring.length && at != ring.head) return false;
  const bool spare = control == Rctl::offset() && quirk(Quirk::kLinuxRingWhileReceiving) && !has_posted(ring);
  if (enabled && v != old && !spare) {
    fault(Kind::kSequence, at, text::cat("changed while ", registers().name(control), ".EN is set"), v);
  }
  if (at == ring.low && v % kDescriptorBytes != 0) {
    if (!quirk(Quirk::kLinuxTestsRegisters)) fault(Kind::kRing, at, "a ring is aligned to 16 bytes", v);
    poke(at, v & ~(kDescriptorBytes - 1));
  }
  if (at == ring.length && v % 128 != 0) {
    if (!quirk(Quirk::kLinuxTestsRegisters)) fault(Kind::kRing, at, "a ring's length is a multiple of 128 bytes", v);
    poke(at, v & ~127u);
  }
  ring.broken = false;
  ring.seen = kUnseen;
  forget_fetched();
  return true;
}

/// A direction was switched on: its tails count from now.
inline void Model82574::wake(std::array<Ring, kQueues>& rings) noexcept {
  forget_fetched();
  for (Ring& ring : rings) {
    ring.seen = kUnseen;
    ring.broken = false;
  }
}

/// Looks at a ring's tail, however it was written. After a fault the last legal tail stays.
inline void Model82574::look_at_tail(Ring& ring) noexcept {
  const std::uint32_t tail = peek(ring.tail);
  if (tail == ring.seen) return;
  ring.seen = tail;
  if (tail == peek(ring.head)) {
    ring.end = tail;
    return;
  }
  const std::uint32_t length = peek(ring.length);
  const std::uint32_t count = ring_size(ring), step = stride(ring);
  if (count == 0 || count > kMostDescriptors * step) {
    fault(Kind::kRing, ring.length, text::cat("a ring in use has 8 to ", kMostDescriptors, " descriptors"), length);
    ring.broken = true;
  } else if (tail >= count || peek(ring.head) >= count) {
    fault(Kind::kRing, tail >= count ? ring.tail : ring.head, text::cat("the ring has ", count, " descriptors"), tail);
    ring.broken = peek(ring.head) >= count;
  } else if (tail % step != 0 || peek(ring.head) % step != 0) {
    fault(Kind::kRing, ring.tail, "with packet split head and tail count halves of descriptors", tail);
    ring.broken = true;
  } else {
    ring.end = tail;
  }
}
inline bool Model82574::has_descriptor(Ring& ring) noexcept {
  const std::uint32_t size = ring_size(ring), head = peek(ring.head);
  if (ring.broken || head == ring.end || ring.end >= size || head >= size) return false;
  return (ring.end > head ? ring.end : ring.end + size) - head >= stride(ring);
}

inline std::uint64_t Model82574::head_address(Ring& ring) noexcept {
  const std::uint64_t base = peek(ring.low) | std::uint64_t{peek(ring.high)} << 32;
  return base + std::uint64_t{peek(ring.head)} * kDescriptorBytes;
}
/// Whether the descriptor at the head is on its way here; asks for those that follow it as well. Pre: there is one.
inline bool Model82574::awaits_descriptor(Ring& ring) noexcept {
  const std::uint32_t head = peek(ring.head), end = ring.end > head ? ring.end : ring_size(ring);
  constexpr std::uint32_t kAhead = 32;
  return awaits(head_address(ring), descriptor_bytes(ring),
                std::min(end - head, kAhead) * std::size_t{kDescriptorBytes});
}
/// The descriptor at the head, or nullptr: the ring is broken then.
inline const std::byte* Model82574::head_descriptor(Ring& ring, const char* what) noexcept {
  const std::byte* at = fetch(head_address(ring), descriptor_bytes(ring), what);
  if (at == nullptr) ring.broken = true;
  return at;
}
inline void Model82574::advance_head(Ring& ring) noexcept {
  const std::uint32_t next = peek(ring.head) + stride(ring);
  poke(ring.head, next >= ring_size(ring) ? 0 : next);
}

}  // namespace pollux::e1000
