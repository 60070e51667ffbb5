// SPDX-License-Identifier: BSD-3-Clause
// The 82599 model's way from the wire to memory: receive FIFO, descriptors, buffers, write-back.
#pragma once
#include <algorithm>

#include <pollux/ixgbe/model_device.hpp>

namespace pollux::ixgbe {

/// Takes what has arrived, as far as it goes in one step; lets waiting frames in first.
inline bool Model82599::receive_all() noexcept {
  using namespace model;
  constexpr unsigned kFramesPerStep = 256;
  for (const std::uint32_t q : rx_on_) see_tail(rx_[q], rx_base(q));
  awaiting_ = false;
  bool moved = fifo_bytes_ != 0 && drain_fifo();
  const bool loop = is(kHlreg0, kHlregLpbk), on = is(kRxCtrl, 1) && (link_up_ || loop);
  for (unsigned n = 0; n < kFramesPerStep && !awaiting_; ++n) {
    const Frame frame = wire().front();
    if (frame.empty()) break;
    if (on && !loop) take(frame);
    wire().consume();
    moved = true;
  }
  for (unsigned n = 0; n < kFramesPerStep && !awaiting_; ++n) {
    const Frame frame = loop_.front();
    if (frame.empty()) break;
    if (on && loop) take(frame);
    loop_.pop();
    moved = true;
  }
  return moved;
}

/// One frame from the wire: filtered, then to memory if nothing waits before it, else into the FIFO.
inline void Model82599::take(Frame frame) noexcept {
  if (receive_pause(frame)) return;
  const Admission a = admit(frame);
  if (!a.taken) return;
  if (fifo_bytes_ != 0 || is(model::kSecRxCtrl, model::kSecPathDis) || !deliver(frame, a)) store_in_fifo(frame, a);
}

/// The FIFO holds RXPBSIZE[0]; what does not fit is missed.
inline void Model82599::store_in_fifo(Frame frame, const Admission& a) noexcept {
  using namespace model;
  const auto bytes = static_cast<std::uint32_t>(frame.size());
  const std::array<Le32, 2> head{Le32{a.errors}, Le32{a.inexact ? 1u : 0u}};
  scratch_.resize(sizeof head + bytes);
  std::memcpy(scratch_.data(), head.data(), sizeof head);
  std::memcpy(&scratch_[sizeof head], frame.data(), bytes);
  if (fifo_bytes_ + bytes > (registers().peek(kRxPbSize) & 0x000F'FC00) || !fifo_.push(scratch_)) {
    count(kMpc);
    return raise_other(kCauseRxMiss);
  }
  fifo_bytes_ += bytes;
}

inline bool Model82599::drain_fifo() noexcept {
  using namespace model;
  if (is(kSecRxCtrl, kSecPathDis)) return false;
  if (blocked_need_ != 0) {  // still no room where the first one goes
    const RxRingState& ring = rx_[blocked_queue_];
    if (ring.runs() && !ring.drop && ring.available() < blocked_need_) return false;
    blocked_need_ = 0;
  }
  bool moved = false;
  for (Frame stored = fifo_.front(); !stored.empty(); stored = fifo_.front()) {
    std::array<Le32, 2> head;
    std::memcpy(head.data(), stored.data(), sizeof head);
    const Frame frame = stored.subspan(sizeof head);
    if (!deliver(frame, {.taken = true, .inexact = head[1] != 0, .errors = head[0]})) break;
    fifo_bytes_ -= static_cast<std::uint32_t>(frame.size());
    fifo_.pop();
    moved = true;
  }
  return moved;
}

/// To its queue, or dropped there. False: it must wait for descriptors (or for DMA to be allowed).
inline bool Model82599::deliver(Frame frame, const Admission& a) noexcept {
  using namespace model;
  if (!dma_allowed()) return false;
  Route to = route(frame, a);
  const std::uint32_t q = to.queue % kQueues;
  RxRingState& ring = rx_[q];
  if (!ring.runs() || ring.buffer_bytes == 0) return true;  // dropped, uncounted
  const bool strip = ring.strip_vlan && (to.report.status & kRxVp) != 0, keep_fcs = !is(kHlreg0, kHlregCrcStrip);
  const std::size_t bytes = frame.size() - (strip ? 4 : 0) + (keep_fcs ? 4 : 0);
  const auto need = static_cast<std::uint32_t>((bytes + ring.buffer_bytes - 1) / ring.buffer_bytes);
  if (ring.available() < need) see_tail(ring, rx_base(q));
  if (ring.available() < need) {
    const bool never = need >= ring.count;
    if (never) complain_descriptor("RX", q, ring.head, "a frame has more buffers than the ring", bytes, "4.8");
    if (ring.drop || never) return count(kQprdc + 0x40 * stat_index(kRqsmr, q)), true;
    blocked_queue_ = q;
    blocked_need_ = need;
    return false;
  }
  awaiting_ = awaits_descriptors(ring, need);
  if (awaiting_) return false;
  if (!strip) to.report.vlan = 0;
  if (strip || keep_fcs) frame = altered(frame, strip, keep_fcs);
  write_frame(q, frame, to);
  return true;
}
/// The frame without its VLAN tag, or with its FCS, in `scratch_`.
inline Model82599::Frame Model82599::altered(Frame frame, bool strip, bool keep_fcs) noexcept {
  const std::uint32_t fcs = sim::ethernet_fcs(frame);
  scratch_.assign(frame.begin(), frame.end());
  if (strip) scratch_.erase(scratch_.begin() + 12, scratch_.begin() + 16);
  for (unsigned i = 0; keep_fcs && i < 4; ++i) scratch_.push_back(static_cast<std::byte>(fcs >> (8 * i)));
  return scratch_;
}

/// Whether a descriptor of the next `n` is on its way here.
inline bool Model82599::awaits_descriptors(const model::Ring& ring, std::uint32_t n) noexcept {
  using namespace model;
  if (iommu().remote() == nullptr) return false;
  const std::uint32_t here = std::min(n, ring.count - ring.head);  // up to the ring's end
  const std::uint32_t ahead =
      std::min({ring.available(), ring.count - ring.head, std::max(n, model::kDescriptorsAhead)});
  return awaits(ring.at(ring.head), here * std::size_t{kDescriptorBytes}, ahead * std::size_t{kDescriptorBytes}) ||
         (n > here && awaits(ring.base, (n - here) * std::size_t{kDescriptorBytes}));
}

/// Into as many buffers as it takes. Pre: the ring has them.
inline void Model82599::write_frame(std::uint32_t q, Frame frame, const model::Route& to) noexcept {
  using namespace model;
  RxRingState& ring = rx_[q];
  const std::size_t total = frame.size();
  for (bool last = false; !last;) {
    const std::uint64_t at = ring.at(ring.head);
    const std::byte* memory = fetch(at, kDescriptorBytes, "RX descriptor");
    if (memory == nullptr) {
      ring.dead = true;
      return;
    }
    const RawDescriptor d = RawDescriptor::load(memory);
    if ((d.qw1 & 1) != 0 && !quirks_.has(Quirk::kRxWriteBackLeft)) {
      complain_descriptor("RX", q, ring.head, "DD (bit 0 of the header address) is 0 when it is posted", d.qw1, "3.1");
    }
    const std::size_t part = std::min<std::size_t>(frame.size(), ring.buffer_bytes);
    last = part == frame.size();
    release_fetched(at, kDescriptorBytes);
    (void)store(d.qw0, frame.first(part), "RX buffer");
    frame = frame.subspan(part);
    const std::uint32_t index = ring.head;
    ring.head = ring.next(ring.head);
    write_back(ring, index, at, to, part, last);
  }
  registers().poke(rx_base(q) + queue::kHead, ring.head);
  const Offset stat = 0x40 * stat_index(kRqsmr, q);
  count(kQprc + stat);
  count_pair(kQbrc + stat, total);
  count(kRxdgpc);
  count_pair(kRxdgbc, total);
  raise_queue(q, false);
}

/// Only the last descriptor of a frame says what was found; the others name their successor (NEXTP).
inline void Model82599::write_back(model::RxRingState& ring, std::uint32_t index, std::uint64_t at,
                                   const model::Route& r, std::size_t length, bool last) noexcept {
  using namespace model;
  const RxReport& report = r.report;
  const std::uint64_t vlan = last ? std::uint64_t{report.vlan} << 48 : 0;
  if (ring.legacy) {
    const std::uint64_t status = kRxDd | (last ? kRxEop | (report.status & 0xFC) : 0);
    const std::uint64_t errors = last ? report.errors >> 24 : 0;
    (void)publish(at + 8, length | status << 32 | errors << 40 | vlan, "RX descriptor");
    return;
  }
  const Word dw0 = last ? report.rss_type | report.packet_type : 0;
  const Word dw2 = last ? kRxDd | kRxEop | report.status | report.errors : kRxDd | ring.next(index) << 4;
  (void)publish(at, std::uint64_t{last ? report.hash : 0} << 32 | dw0, std::uint64_t{length} << 32 | dw2 | vlan,
                "RX descriptor");
}

}  // namespace pollux::ixgbe
