// SPDX-License-Identifier: BSD-3-Clause
// Bring-up and teardown of 82599 and X540, in the order of the 82599 datasheet's sections 4.6.3 (initialisation), 4.6.7
// (receive) and 4.6.8 (transmit). BringUp::run is the table of contents.
#pragma once
#include <pollux/dma/ring.hpp>
#include <pollux/ixgbe/chips.hpp>
#include <pollux/ixgbe/desc.hpp>
#include <pollux/ixgbe/filters.hpp>
#include <pollux/ixgbe/link.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/ixgbe/stats.hpp>
#include <pollux/reg/wait.hpp>

namespace pollux::ixgbe {

/// The steps from any state to "reset, configured, quiet" and back to "reset, quiet".
template <class Chip, reg::RegisterIo Io, Clock C>
class BringUp {
 public:
  explicit BringUp(reg::Device<Io, C>& device) noexcept : device_(device), bar_(device.bar) {}

  /// Afterwards: no DMA, no interrupt, queues off, link on its way. Returns the device's own address.
  /// Pre: bus mastering is off. Errors: raises ENODEV when nobody answers, ETIMEDOUT
  /// naming the register, EBUSY. Takes some 20 ms, an X540 120 ms.
  MacAddress run(Media media) {
    reg::check_presence<Status, Ctrl>(device_);  // one of them tells of GIO_DIS: never both 0
    mask_interrupts();
    stop_queues();
    free_semaphores();
    reset(stop_dma());
    mask_interrupts();
    wait_for_nvm();
    claim_device();
    const MacAddress mac = read_mac(bar_);
    set_exact_filter<Chip>(bar_, mac);
    set_up_mac();
    set_up_flow_control();
    set_up_receive();
    set_up_transmit();
    set_up_link<Chip>(device_, media);
    clear_stats(bar_);
    return mac;
  }

  /// Afterwards the device does not touch memory: queues stopped and settled, no DMA outstanding, reset.
  /// Never raises: it runs in destructors.
  void shut_down() noexcept {
    if (reg::is_gone<Status, Ctrl>(device_)) return;  // waiting for it would take seconds
    mask_interrupts();
    drain_transmit();
    stop_queues();
    const bool quiet = stop_dma();
    issue_reset();
    if (!quiet) issue_reset();
    (void)reg::try_wait_until(device_.clock, kResetDeadline, [&] { return reset_done(); });
    device_.clock.pause(Chip::kSettleAfterReset);
    bar_.modify(CtrlExt::drv_load(false));
  }

 private:
  static constexpr reg::Deadline kResetDeadline{.limit = 20_ms, .step = 1_ms};
  static constexpr reg::Deadline kQueueDeadline{.limit = 10_ms, .step = 100_us};

  /// No cause may interrupt before it is armed. EICR's read forgets what came before. [linux ixgbe]
  void mask_interrupts() noexcept {
    bar_.write(Eimc::causes(0x7FFF'FFFF));
    for (std::uint32_t i = 0; i < EimcEx::kCount; ++i) bar_.write(reg::Index{i}, EimcEx::vectors(0xFFFF'FFFF));
    (void)bar_.template read<Eicr>();
  }

  /// What was posted gets a last chance to be sent; without a link it is not. [82599 4.6.8]
  void drain_transmit() noexcept {
    (void)reg::try_wait_until(device_.clock, kQueueDeadline, [&] {
      for (std::uint32_t q = 0; q < Chip::kMaxTxQueues; ++q) {
        const reg::Index queue{q};
        if (!bar_.template read<Txdctl>(queue)[Txdctl::enable]) continue;
        if (bar_.template read<Tdh>(queue)[Tdh::head] != bar_.template read<Tdt>(queue)[Tdt::tail]) return false;
      }
      return true;
    });
  }

  /// Receiver off, every queue off; each has answered, and has had 100 us to write back what it still held, before the
  /// caller may free memory. [82599 4.6.7] A time-out here is no error: the reset that follows ends what is left.
  void stop_queues() noexcept {
    bar_.modify(Rxctrl::rxen(false));
    stop_all<Rxdctl>();
    stop_all<Txdctl>();
    device_.clock.pause(100_us);
  }
  template <class Control>
  void stop_all() noexcept {
    for (std::uint32_t q = 0; q < Control::kCount; ++q) {
      const reg::Index queue{q};
      if (bar_.template read<Control>(queue)[Control::enable]) bar_.modify(queue, Control::enable(false));
    }
    (void)reg::try_wait_until(device_.clock, kQueueDeadline, [&] {
      for (std::uint32_t q = 0; q < Control::kCount; ++q) {
        if (bar_.template read<Control>(reg::Index{q})[Control::enable]) return false;
      }
      return true;
    });
  }

  /// No new DMA requests, and none outstanding. When some stay, the buffers of the PCIe unit are emptied, and false is
  /// returned: two resets have to follow. [tinynf: 82599 5.2.5.3.2]
  [[nodiscard]] bool stop_dma() noexcept {
    bar_.modify(Ctrl::gio_dis(true));
    const bool quiet = reg::try_wait_until(device_.clock, {.limit = 80_ms, .step = 100_us},
                                           [&] { return !bar_.template read<Status>()[Status::master_en]; });
    if (quiet) return true;
    bar_.modify(Hlreg0::lpbk(true));
    bar_.modify(Rxctrl::rxen(false));
    bar_.modify(GcrExt::buffers_clear(true));
    (void)bar_.template read<Status>();  // flush the posted writes
    device_.clock.pause(20_us);
    bar_.modify(Hlreg0::lpbk(false));
    bar_.modify(GcrExt::buffers_clear(false));
    return false;
  }

  /// A driver that was killed may have left them taken. [dpdk ixgbe]
  void free_semaphores() noexcept {
    ResourceLock<Chip, Io, C> lock(device_, own_phy() | SwFwSync::kEep | SwFwSync::kMacCsr, 100_ms);
    lock.seize();
  }
  [[nodiscard]] std::uint32_t own_phy() const noexcept {
    return bar_.template read<Status>()[Status::lan_id] == 0 ? SwFwSync::kPhy0 : SwFwSync::kPhy1;
  }

  /// Software reset; the 82599's with its link. The X540's firmware may be talking to the PHY: it is owned meanwhile.
  /// NOTE(missing): what to do when the firmware never lets go; we reset all the same.
  void reset(bool dma_was_quiet) {
    if constexpr (Chip::kRegisterSemaphore) {
      const ResourceLock<Chip, Io, C> phy(device_, own_phy());
      reset_once();
      if (!dma_was_quiet) reset_once();
    } else {
      reset_once();
      if (!dma_was_quiet) reset_once();
    }
    device_.clock.pause(Chip::kSettleAfterReset);
  }
  void reset_once() {
    issue_reset();
    reg::wait_until<Ctrl>(device_, kResetDeadline, "reset", [](auto v) { return !v[Ctrl::rst] && !v[Ctrl::lnk_rst]; });
  }
  void issue_reset() noexcept {
    bar_.modify(Ctrl::rst(true) | Ctrl::lnk_rst(Chip::kLinkReset));
    device_.clock.pause(1_ms);  // no access while the reset is under way [tinynf]
  }
  [[nodiscard]] bool reset_done() const noexcept {
    const auto ctrl = bar_.template read<Ctrl>();
    return !ctrl[Ctrl::rst] && !ctrl[Ctrl::lnk_rst];
  }

  /// The NVM has been loaded and the DMA units are initialised. [82599 4.6.3]
  void wait_for_nvm() {
    constexpr reg::Deadline kLimit{.limit = 1_s, .step = 1_ms};
    reg::wait_until<Eec>(device_, kLimit, "load the NVM of", [](auto v) { return v[Eec::ard]; });
    reg::wait_until<Rdrxctl>(device_, kLimit, "initialise the DMA of", [](auto v) { return v[Rdrxctl::dmaidone]; });
  }

  /// A driver is here; no snooping is left out; no wake-up.
  void claim_device() noexcept {
    bar_.modify(Ctrl::gio_dis(false));
    bar_.modify(CtrlExt::ns_dis(true) | CtrlExt::drv_load(true));
    bar_.write(Wuc::bits(0));
    bar_.write(Wufc::causes(0));
    bar_.clear_w1c(Wus::causes(0xFFFF'FFFF));
  }

  /// FCS appended and stripped, short frames padded, one VLAN tag allowed for. [82599 4.6.7, 4.6.8]
  /// NOTE(missing): whether MAXFRS leaves 4 bytes for a tag by itself; 1522 holds a tagged frame either way.
  void set_up_mac() noexcept {
    bar_.modify(Hlreg0::txcrcen(true) | Hlreg0::rxcrcstrp(true) | Hlreg0::jumboen(true) | Hlreg0::txpaden(true) |
                Hlreg0::lpbk(false));
    bar_.write(Maxfrs::mfs(1522));
  }

  /// No PAUSE is sent or obeyed. FCRTH is set all the same: it keeps the device's internal switch from hanging, and a
  /// low threshold of 0 with XONE would flood the link. [linux ixgbe]
  void set_up_flow_control() noexcept {
    bar_.modify(Mflcn::rfce(false) | Mflcn::rpfce(false) | Mflcn::dpf(true));
    bar_.write(Fccfg::tfce(0));
    for (std::uint32_t i = 0; i < Fcrtl::kCount; ++i) bar_.write(reg::Index{i}, Fcrtl::xone(false));
    for (std::uint32_t i = 1; i < Fcrth::kCount; ++i) bar_.write(reg::Index{i}, Fcrth::fcen(false));
    constexpr std::uint32_t kThreshold = (Chip::kRxBufferKib - 24) * 1024 / 32;  // 0x6000 bytes below the end
    bar_.write(reg::Index{0}, Fcrth::rth(kThreshold) | Fcrth::fcen(false));
  }

  /// One packet buffer, no coalescing (it is on after a reset), no header split, FCS stripped in the DMA unit as in
  /// the MAC, all queues counted together. [82599 4.6.7]
  void set_up_receive() noexcept {
    bar_.write(reg::Index{0}, Rxpbsize::size(Chip::kRxBufferKib));
    for (std::uint32_t i = 1; i < Rxpbsize::kCount; ++i) bar_.write(reg::Index{i}, Rxpbsize::size(0));
    bar_.modify(Rdrxctl::crcstrip(true) | Rdrxctl::rscfrstsize(0) | Rdrxctl::rscackc(true) | Rdrxctl::fcoe_wrfix(true));
    bar_.modify(Rscdbu::rscackdis(true));
    bar_.modify(Rfctl::rsc_dis(true) | Rfctl::nfsw_dis(true) | Rfctl::nfsr_dis(true));
    bar_.write(reg::Index{0}, Psrtype::split(0));
    for (std::uint32_t i = 0; i < Rqsmr::kCount; ++i) bar_.write(reg::Index{i}, Rqsmr::bits(0));
  }

  /// One packet buffer, 64 queues, no rate limits; MTQC changes only while the arbiter stands. [82599 4.6.8]
  void set_up_transmit() noexcept {
    constexpr std::uint32_t kLargestFrameKib = 10;
    bar_.write(reg::Index{0}, Txpbsize::size(Chip::kTxBufferKib));
    bar_.write(reg::Index{0}, Txpbthresh::thresh(Chip::kTxBufferKib - kLargestFrameKib));
    for (std::uint32_t i = 1; i < Txpbsize::kCount; ++i) {
      bar_.write(reg::Index{i}, Txpbsize::size(0));
      bar_.write(reg::Index{i}, Txpbthresh::thresh(0));
    }
    bar_.write(Dtxmxszrq::max_bytes(0xFFF));
    bar_.modify(Rttdcs::arbdis(true));
    bar_.write(Mtqc::rt_ena(false) | Mtqc::vt_ena(false) | Mtqc::num_tc_or_q(0));
    for (std::uint32_t q = 0; q < Tdt::kCount; ++q) {
      bar_.write(Rttdqsel::queue.from(q));
      bar_.write(Rttdt1c::config(0));
    }
    bar_.modify(Rttdcs::arbdis(false));
    for (std::uint32_t i = 0; i < Tqsm::kCount; ++i) bar_.write(reg::Index{i}, Tqsm::bits(0));
  }

  reg::Device<Io, C>& device_;
  reg::Bar<Io> bar_;
};

/// Transmit DMA on. Comes before any queue: TXDCTL.ENABLE does not hold without it. [82599 4.6.8]
template <reg::RegisterIo Io>
void enable_tx(reg::Bar<Io> bar) noexcept {
  bar.modify(Dmatxctl::te(true));
}

/// One transmit queue: ring, DD written back at once for each RS, in order. Afterwards it takes a tail.
/// Pre: enable_tx; the reset has left the queue off. Errors: raises ETIMEDOUT. [82599 4.6.8]
template <reg::RegisterIo Io, Clock C>
void set_up_tx_queue(reg::Device<Io, C>& device, reg::Index queue, const DescRing<TxDescriptor>& ring) {
  const reg::Bar<Io> bar = device.bar;
  bar.write(queue, Txdctl::enable(false));
  bar.template write_pair<Tdbal, Tdbah>(queue, ring.bus().value());
  bar.write(queue, Tdlen::len.from(ring.bytes() / 128));
  bar.write(queue, Tdh::head(0));
  bar.write(queue, Tdt::tail(0));
  bar.write(queue, Tdwbal::head_wb_en(false));
  bar.write(queue, Tdwbah::address(0));
  bar.modify(queue, DcaTxctrl::desc_dca(false) | DcaTxctrl::desc_wb_ro(false));
  bar.write(queue, Txdctl::pthresh(36) | Txdctl::hthresh(8) | Txdctl::wthresh(0) | Txdctl::enable(true));
  reg::wait_until<Txdctl>(device, queue, {.limit = 10_ms, .step = 100_us}, "start a transmit queue of",
                          [](auto v) { return v[Txdctl::enable]; });
}

/// One receive queue: ring, one buffer per descriptor of whole KiB. Afterwards it takes a tail.
/// Pre: the reset has left the queue off; buffer_bytes >= 1024. Errors: raises ETIMEDOUT. [82599 4.6.7]
template <class Chip, reg::RegisterIo Io, Clock C>
void set_up_rx_queue(reg::Device<Io, C>& device, reg::Index queue, const DescRing<RxDescriptor>& ring,
                     std::uint32_t buffer_bytes, bool drop_when_full, bool strip_vlan) {
  const reg::Bar<Io> bar = device.bar;
  const std::uint32_t kib = buffer_bytes / 1024 < 16 ? buffer_bytes / 1024 : 16;
  bar.template write_pair<Rdbal, Rdbah>(queue, ring.bus().value());
  bar.write(queue, Rdlen::len.from(ring.bytes() / 128));
  bar.write(queue, Rdh::head(0));
  bar.write(queue, Rdt::tail(0));
  bar.write(queue, Srrctl::bsizepkt.from(kib) | Srrctl::bsizehdr(4) | Srrctl::desctype(1) |
                       Srrctl::drop_en.from(drop_when_full));
  bar.modify(queue, DcaRxctrl::must_be_0(false) | DcaRxctrl::desc_dca(false) | DcaRxctrl::header_dca(false) |
                        DcaRxctrl::data_dca(false));
  bar.write(queue, Rscctl::rscen(false));
  if constexpr (Chip::kReceiveLimit) {
    const std::uint32_t limit = kib * 1024 <= Rxdctl::rlpml.kMax ? kib * 1024 : Rxdctl::rlpml.kMax;
    bar.modify(queue, Rxdctl::rlpml.from(limit) | Rxdctl::rlpml_en(true));
  }
  bar.modify(queue, Rxdctl::vme.from(strip_vlan) | Rxdctl::enable(true));
  reg::wait_until<Rxdctl>(device, queue, {.limit = 10_ms, .step = 100_us}, "start a receive queue of",
                          [](auto v) { return v[Rxdctl::enable]; });
}

/// Receiver on, while nothing comes from the MAC: traffic at this moment can hang the receive DMA. Errors: raises
/// ETIMEDOUT. [82599 4.6.7, dpdk ixgbe]
template <reg::RegisterIo Io, Clock C>
void enable_rx(reg::Device<Io, C>& device) {
  device.bar.modify(Secrxctrl::rx_dis(true));
  reg::wait_until<Secrxstat>(device, {.limit = 40_ms, .step = 1_ms}, "halt the receive path of",
                             [](auto v) { return v[Secrxstat::rdy]; });
  device.bar.modify(Rxctrl::rxen(true));
  device.bar.modify(Secrxctrl::rx_dis(false));
}

}  // namespace pollux::ixgbe
