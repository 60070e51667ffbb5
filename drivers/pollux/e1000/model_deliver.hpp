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
  control_flow(fifo_bytes_);
  return moved;
}

/// RDT before RCTL.EN is legal on this chip, so its tail is judged once the receiver is on.
inline void Model82574::look_at_rx_tail(Ring& ring) noexcept {
  if (value<Rctl>()[Rctl::en]) look_at_tail(ring);
}

/// Fills descriptors with what is left of the frame. Returns whether all of it went.
inline bool Model82574::deliver(Ring& ring, Stored& frame) noexcept {
  while (has_descriptor(ring)) {
    const std::uint64_t at = head_address(ring);
    awaiting_ = awaits_descriptor(ring);
    if (awaiting_) return false;
    const std::byte* posted = head_descriptor(ring, "receive descriptor");
    if (posted == nullptr) return false;
    Buffers buffers = posted_buffers(posted);
    check_posted(ring, posted);
    release_fetched(at, descriptor_bytes(ring));
    if (!fill(ring, frame, buffers)) {
      ring.broken = true;
      return false;
    }
    const bool last = frame.done == frame.bytes.size();
    splits() ? write_back_split(at, frame, buffers, last)
             : write_back(at, frame, static_cast<std::uint32_t>(buffers.filled[0]), last);
    advance_head(ring);
    warn_of_shortage(ring);
    if (!last) continue;
    announce(frame);
    return true;
  }
  return false;
}

/// Where the descriptor's buffers are and what they hold. A split descriptor's later ones may be missing: bit 0.
/// [82574 RX packet split]
inline Model82574::Buffers Model82574::posted_buffers(const std::byte* posted) noexcept {
  Buffers out;
  out.address[0] = load_header<Le64>(posted);
  out.room[0] = buffer_bytes();
  if (!splits()) return out;
  using model::Psrctl;
  const auto sizes = value<Psrctl>();
  out.room = {std::size_t{sizes[Psrctl::bsize0]} * 128, std::size_t{sizes[Psrctl::bsize1]} * 1024,
              std::size_t{sizes[Psrctl::bsize2]} * 1024, std::size_t{sizes[Psrctl::bsize3]} * 1024};
  for (std::size_t i = 1; i < out.address.size(); ++i) {
    out.address[i] = load_header<Le64>(posted + 8 * i);
    if ((out.address[i] & 1) != 0) out.room[i] = 0;
  }
  return out;
}

/// As much of the frame as the buffers take; a header that is split off has the first to itself, of a later descriptor
/// as well. False: nothing, because memory or buffers are missing.
inline bool Model82574::fill(Ring& ring, Stored& frame, Buffers& buffers) noexcept {
  const std::size_t before = frame.done;
  const bool apart = splits() && frame.header != 0 && frame.header <= buffers.room[0];
  for (std::size_t i = 0; i < buffers.room.size() && frame.done < frame.bytes.size(); ++i) {
    std::size_t n = std::min(buffers.room[i], frame.bytes.size() - frame.done);
    if (i == 0 && apart) n = before == 0 ? frame.header : 0;
    if (n == 0) continue;
    // Linux maps as much as a frame can need, which is less than RCTL says the buffer has. [linux e1000e]
    const std::size_t room = buffers.room[i];
    const std::size_t mapped = value<Rctl>()[Rctl::lpe] || splits() ? room : std::min(room, kLongestNormalFrame);
    const auto part = ConstBytes(frame.bytes).subspan(frame.done, n);
    if (!store(buffers.address[i], part, "receive buffer", mapped)) return false;
    buffers.filled[i] = n;
    frame.done += n;
  }
  if (frame.done != before) return true;
  descriptor_fault(ring, peek(ring.head), "its buffers have no room", buffers.address[0]);
  return false;
}
inline std::size_t Model82574::buffer_bytes() noexcept {
  const auto rctl = value<Rctl>();
  if (rctl[Rctl::flxbuf] != 0) return std::size_t{rctl[Rctl::flxbuf]} * 1024;
  const std::size_t small = std::size_t{2048} >> rctl[Rctl::bsize];
  return rctl[Rctl::bsex] && rctl[Rctl::bsize] != 0 ? small * 16 : small;
}

/// What lies in a descriptor the driver has given: DD and, in the extended format without split, all of the second half
/// is zero.
inline void Model82574::check_posted(const Ring& ring, const std::byte* at) noexcept {
  const std::uint64_t second = load_header<Le64>(at + 8);
  const bool extended = value<Rfctl>()[Rfctl::exten];
  const std::uint64_t dd = extended ? second & 1 : second >> 32 & 1;
  const std::uint32_t index = peek(ring.head);
  if (dd != 0) {
    descriptor_fault(ring, index, "DD is set in a descriptor given to the device", second);
  } else if (extended && !splits() && second != 0 && !quirk(Quirk::kLinuxRxWriteBackLeft)) {
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
/// The same of a packet split descriptor: three words, that with DD last. [82574 RX packet split]
inline void Model82574::write_back_split(std::uint64_t at, const Stored& frame, const Buffers& buffers,
                                         bool last) noexcept {
  using model::RxWriteBack;
  const auto length = [&](std::size_t i) { return std::uint64_t{buffers.filled[i]}; };
  const bool apart = frame.header != 0 && length(0) == frame.header;
  const std::uint64_t header = apart ? frame.header | RxWriteBack::kHdrsp : 0;
  const std::uint64_t status = RxWriteBack::kDd | (last ? RxWriteBack::kEop | frame.status : 0);
  const std::uint64_t vlan = last ? frame.vlan : 0u;
  (void)publish(at + 16, header | length(1) << 16 | length(2) << 32 | length(3) << 48, 0, "receive descriptor");
  (void)publish(at, frame.mrq | std::uint64_t{frame.hash} << 32, status | (length(0) | vlan << 16) << 32,
                "receive descriptor");
}
inline void Model82574::warn_of_shortage(Ring& ring) noexcept {
  const std::uint32_t size = ring_size(ring), step = stride(ring);
  const std::uint32_t left = (ring.end + size - peek(ring.head)) % size;
  if (left / step != size / step >> (value<Rctl>()[Rctl::rdmts] + 1)) return;
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
