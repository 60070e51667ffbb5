// SPDX-License-Identifier: BSD-3-Clause
// The 82574 model's receive packet buffer: frames into the driver's buffers, completions, delayed interrupts.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <pollux/core/endian.hpp>
#include <pollux/e1000/model_device.hpp>

namespace pollux::e1000 {

/// Delivers stored frames in order. One that finds no descriptor holds up all behind it, on either queue.
inline bool Model82574::drain() noexcept {
  awaiting_ = false;
  bool moved = false;
  while (!fifo_.empty() && may_access_memory()) {
    Stored& frame = fifo_.front();
    Ring& ring = rx_[frame.queue];
    look_at_tail(ring);
    if (!deliver(ring, frame)) break;
    fifo_bytes_ -= frame.bytes.size();
    fifo_.pop_front();
    moved = true;
  }
  for (Ring& ring : rx_) look_at_rx_tail(ring);
  control_flow();
  return moved;
}

/// RDT before RCTL.EN is legal on this chip, so its tail is judged once the receiver is on.
inline void Model82574::look_at_rx_tail(Ring& ring) noexcept {
  if (value<Rctl>()[Rctl::en]) look_at_tail(ring);
}

/// Fills descriptors with what is left of the frame. Returns whether all of it went.
inline bool Model82574::deliver(Ring& ring, Stored& frame) noexcept {
  const std::size_t room = buffer_bytes();
  while (has_descriptor(ring)) {
    const std::uint64_t at = head_address(ring);
    awaiting_ = awaits_descriptor(ring);
    if (awaiting_) return false;
    const std::byte* posted = head_descriptor(ring, "receive descriptor");
    if (posted == nullptr) return false;
    const std::uint64_t address = load_header<Le64>(posted);
    check_posted(ring, posted);
    release_fetched(at, kDescriptorBytes);
    const std::size_t n = std::min(room, frame.bytes.size() - frame.done);
    // Linux maps as much as a frame can need, which is less than RCTL says the buffer has. [linux e1000e]
    const std::size_t mapped = value<Rctl>()[Rctl::lpe] ? room : std::min(room, kLongestNormalFrame);
    if (!store(address, ConstBytes(frame.bytes).subspan(frame.done, n), "receive buffer", mapped)) {
      ring.broken = true;
      return false;
    }
    frame.done += n;
    const bool last = frame.done == frame.bytes.size();
    write_back(at, frame, static_cast<std::uint32_t>(n), last);
    advance_head(ring);
    warn_of_shortage(ring);
    if (!last) continue;
    announce(frame);
    return true;
  }
  return false;
}
inline std::size_t Model82574::buffer_bytes() noexcept {
  const auto rctl = value<Rctl>();
  if (rctl[Rctl::flxbuf] != 0) return std::size_t{rctl[Rctl::flxbuf]} * 1024;
  const std::size_t small = std::size_t{2048} >> rctl[Rctl::bsize];
  return rctl[Rctl::bsex] && rctl[Rctl::bsize] != 0 ? small * 16 : small;
}

/// What lies in a descriptor the driver has given: DD and, in the extended format, all of the second half is zero.
inline void Model82574::check_posted(const Ring& ring, const std::byte* at) noexcept {
  const std::uint64_t second = load_header<Le64>(at + 8);
  const bool extended = value<Rfctl>()[Rfctl::exten];
  const std::uint64_t dd = extended ? second & 1 : second >> 32 & 1;
  const std::uint32_t index = peek(ring.head);
  if (dd != 0) {
    descriptor_fault(ring, index, "DD is set in a descriptor given to the device", second);
  } else if (extended && second != 0 && !quirk(Quirk::kLinuxRxWriteBackLeft)) {
    descriptor_fault(ring, index, "reserved bits are set: the second half is given as zero", second);
  }
}

/// The completion; its second half last, with DD. [82574 RX legacy, RX extended]
inline void Model82574::write_back(std::uint64_t at, const Stored& frame, std::uint32_t n, bool last) noexcept {
  using model::RxWriteBack;
  const std::uint32_t status = RxWriteBack::kDd | (last ? RxWriteBack::kEop | frame.status : 0);
  const std::uint32_t vlan = last ? frame.vlan : 0u;
  if (value<Rfctl>()[Rfctl::exten]) {
    (void)publish(at, frame.mrq | std::uint64_t{frame.hash} << 32, status | std::uint64_t{n | vlan << 16} << 32,
                  "receive descriptor");
    return;
  }
  const std::uint32_t checksum = last ? frame.checksum : 0u;
  const std::uint32_t flags = (status & 0xFF) | (status >> 24) << 8 | vlan << 16;  // status, errors, special
  (void)publish(at + 8, (n | checksum << 16) | std::uint64_t{flags} << 32, "receive descriptor");
}
inline void Model82574::warn_of_shortage(Ring& ring) noexcept {
  const std::uint32_t size = ring_size(ring);
  const std::uint32_t left = (ring.end + size - peek(ring.head)) % size;
  if (left != size >> (value<Rctl>()[Rctl::rdmts] + 1)) return;
  count(model::stat::kIcrxdmtc);
  raise_cause(model::cause::kRxdmt0);
}
inline void Model82574::announce(const Stored& frame) noexcept {
  namespace cause = model::cause;
  const bool small = frame.bytes.size() <= value<model::Rsrpd>()[model::Rsrpd::size];
  if (small) raise_cause(cause::kSrpd);
  delay(rx_delay_, cause::kRxt0 | cause::kRxq0 << frame.queue, value<Rdtr>()[Rdtr::delay], value<Radv>()[Radv::delay]);
}

}  // namespace pollux::e1000
