// SPDX-License-Identifier: BSD-3-Clause
// The 82576 model's transmit side: descriptors to frames, frames to the wire.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <pollux/igb/model_device.hpp>
#include <pollux/net/headers.hpp>

namespace pollux::igb {

/// Works through every enabled queue until its tail, or until the wire takes no more.
inline bool Model82576::transmit_all() noexcept {
  bool moved = flush();
  for (std::uint32_t q = 0; q < model::kQueues; ++q) moved |= transmit(q);
  return moved;
}
inline bool Model82576::transmit(std::uint32_t q) noexcept {
  using namespace model;
  using namespace model::advanced;
  TxRing& ring = tx_[q];
  if (!ring.runs() || ring.head == ring.tail || !is(kTctl, kTctlEn)) return false;
  bool reported = false, moved = false;
  while (ring.runs() && ring.head != ring.tail && may_send()) {
    const std::uint64_t at = ring.at(ring.head);
    if (awaits_descriptors(ring, 1)) break;
    const std::byte* memory = fetch_descriptor(ring, "TX descriptor");
    if (memory == nullptr) break;
    const RawDescriptor d = RawDescriptor::load(memory);
    const std::size_t bytes = TxAssembly::buffer_bytes(d);
    if (bytes != 0 && awaits(d.qw0, bytes)) break;
    run_descriptor(q, d);
    release_fetched(at, kDescriptorBytes);
    if (bytes != 0) release_fetched(d.qw0, bytes);
    ring.head = ring.next(ring.head);
    moved = true;
    if ((d.dw2() & kDcmdRs) == 0) continue;
    report_done(q, at);
    reported = true;
  }
  poke(tx_base(q) + queue::kHead, ring.head);
  if (reported) raise_queue(q, true);
  return moved;
}

/// The completion of a descriptor with RS: DD in it, or the new head where TDWBAL says.
inline void Model82576::report_done(std::uint32_t q, std::uint64_t at) noexcept {
  if (tx_[q].write_back != 0) {
    (void)publish32(tx_[q].write_back, tx_[q].head, "TX head write-back");
  } else {
    (void)publish32(at + 12, model::advanced::kStaDd, "TX descriptor");
  }
}

inline void Model82576::run_descriptor(std::uint32_t q, const sim::advanced::RawDescriptor& d) noexcept {
  using namespace model::advanced;
  const std::uint32_t command = d.dw2(), type = bits_of(command, 23, 20);
  if ((command & kDcmdDext) == 0) {
    return descriptor_fault("TX", q, tx_[q].head, "DEXT is 1 here: an advanced descriptor", command);
  }
  if (type == kTypeContext) return tx_[q].set_context(d, tells(q));
  if (type == kTypeData) return run_data(q, d);
  descriptor_fault("TX", q, tx_[q].head, "DTYP is 2 (context) or 3 (data)", command);
}
/// Adds a buffer; the first of a packet says what is to be done with it, the last sends it.
inline void Model82576::run_data(std::uint32_t q, const sim::advanced::RawDescriptor& d) noexcept {
  using namespace model;
  TxRing& ring = tx_[q];
  const auto memory = [this](std::uint64_t address, std::size_t n) { return fetch(address, n, "TX buffer"); };
  ring.open(d, tells(q));
  ring.gather(d.qw0, d.dw2() & 0xFFFF, limits(), memory, tells(q));
  if ((d.dw2() & advanced::kDcmdEop) == 0) return;
  const bool cut = ring.packet.tse;
  bool sent = false;
  const auto out = [&](std::vector<std::byte>& frame, const std::uint16_t* vlan) {
    sent = true;
    if (frame.size() >= sizeof(EthernetHeader)) return emit(frame, vlan);
    ring.lose("a frame has an Ethernet header", frame.size(), advanced::TxAbout::kData, tells(q));
  };
  ring.finish(limits(), out, tells(q));
  if (cut) count(sent ? stat::kTsctc : stat::kTsctfc);
}
inline sim::advanced::TxLimits Model82576::limits() noexcept {
  return {.frame = model::kMaxTxFrame,
          .packet = model::kMaxTso,
          .payload = is(model::kTctl, model::kTctlPsp) ? model::kLeastPayload : kMinFrame};
}

/// Tag and padding; then to the wire, or waiting for it. NOTE(missing): whether VLE needs CTRL.VME; it does not here.
inline void Model82576::emit(std::vector<std::byte>& frame, const std::uint16_t* vlan) noexcept {
  using namespace model;
  if (vlan != nullptr) sim::insert_vlan(frame, static_cast<std::uint16_t>(peek(kVet)), *vlan);
  if (is(kTctl, kTctlPsp) && frame.size() < kMinFrame) frame.resize(kMinFrame);
  put_out(frame);
}
inline void Model82576::on_sent(ConstBytes frame) noexcept {
  count(model::kHgptc);
  count_pair(model::kHgotc, frame.size() + kFcs);
}

}  // namespace pollux::igb
