// SPDX-License-Identifier: BSD-3-Clause
// Bring-up and teardown of the 82574, in the order of the Software Developer's Manual, chapter 14, and of the Linux
// e1000e driver where that chip wants more. BringUp::run is the table of contents.
#pragma once
#include <pollux/dma/ring.hpp>
#include <pollux/e1000/chips.hpp>
#include <pollux/e1000/desc.hpp>
#include <pollux/e1000/filters.hpp>
#include <pollux/e1000/regs.hpp>
#include <pollux/e1000/stats.hpp>
#include <pollux/net/rss.hpp>
#include <pollux/reg/wait.hpp>

namespace pollux::e1000 {

/// The steps from any state to "reset, configured, quiet" and back to "reset, quiet".
template <class Chip, reg::RegisterIo Io, Clock C>
class BringUp {
 public:
  explicit BringUp(reg::Device<Io, C>& device) noexcept : device_(device), bar_(device.bar) {}

  /// Afterwards: no DMA, no interrupt, queues off, link negotiating. Returns the device's own address.
  /// Pre: bus mastering is off. Errors: raises ENODEV when nobody answers, ETIMEDOUT naming the
  /// register. Takes some 50 ms.
  MacAddress run() {
    reg::check_presence<Status, Ctrl>(device_);  // one of them tells of GIO_MASTER_DISABLE: never both 0
    stop_dma();
    stop_queues();
    mask_interrupts();
    reset();
    mask_interrupts();
    apply_errata();
    const MacAddress mac = read_mac(bar_);
    set_exact_filter<Chip>(bar_, mac);
    set_up_mac();
    set_up_flow_control();
    negotiate_link();
    clear_stats(bar_);
    return mac;
  }

  /// Afterwards the device does not touch memory. Never raises: it runs in destructors.
  void shut_down() noexcept {
    mask_interrupts();
    stop_queues();
    issue_reset();
    (void)reg::try_wait_until(device_.clock, kResetDeadline, [&] { return reset_done(); });
    bar_.modify(CtrlExt::drv_load(false));
  }

 private:
  static constexpr reg::Deadline kResetDeadline{.limit = 20_ms, .step = 1_ms};

  /// No new DMA requests, and none outstanding. [82574] A time-out here is no error: the reset that follows ends what
  /// is left, and the drivers of all vendors go on as well.
  void stop_dma() {
    bar_.modify(Ctrl::gio_master_disable(true));
    (void)reg::try_wait_until(device_.clock, {.limit = 80_ms, .step = 100_us},
                              [&] { return !bar_.template read<Status>()[Status::gio_master_en]; });
  }

  /// Receiver and transmitter off; frames in flight are finished 10 ms later. [8254x 14.3]
  void stop_queues() noexcept {
    bar_.write(Rctl::en(false));
    bar_.write(Tctl::psp(true));
    (void)bar_.template read<Status>();  // flush the posted writes
    device_.clock.pause(10_ms);
  }

  /// No cause may interrupt before it is armed. ICR's read forgets what came before. [8254x 13.4.21]
  void mask_interrupts() noexcept {
    bar_.write(Imc::causes(0xFFFF'FFFF));
    (void)bar_.template read<Icr>();
  }

  /// Software reset of MAC and PHY. MDIO is owned while it happens: firmware may be talking to the PHY. [82574]
  /// NOTE(missing): what to do when the firmware never lets go; we reset all the same, as Linux does.
  void reset() {
    const bool owned = reg::try_wait_until(device_.clock, {.limit = 20_ms, .step = 2_ms}, [&] {
      bar_.modify(ExtcnfCtrl::mdio_sw_ownership(true));
      return bar_.template read<ExtcnfCtrl>()[ExtcnfCtrl::mdio_sw_ownership];
    });
    issue_reset();
    reg::wait_until<Ctrl>(device_, kResetDeadline, "reset", [](auto v) { return !v[Ctrl::rst]; });
    if (owned) bar_.modify(ExtcnfCtrl::mdio_sw_ownership(false));
    reg::wait_until<Eecd>(device_, {.limit = 20_ms, .step = 1_ms}, "load the NVM of",
                          [](auto v) { return v[Eecd::auto_rd]; });
    device_.clock.pause(25_ms);  // the PHY configures itself [linux e1000e]
  }
  void issue_reset() noexcept {
    bar_.modify(Ctrl::rst(true));
    device_.clock.pause(1_ms);  // no access while the reset is under way [8254x 14.3]
  }
  [[nodiscard]] bool reset_done() const noexcept { return !bar_.template read<Ctrl>()[Ctrl::rst]; }

  /// What this chip needs after every reset. [linux e1000e]
  void apply_errata() noexcept {
    for (const std::uint32_t queue : {0u, 1u}) bar_.modify(reg::Index{queue}, Txdctl::count_desc(true));
    bar_.modify(reg::Index{0}, Tarc::errata30_27(0) | Tarc::errata26(true));
    bar_.modify(Ctrl::errata29(false));
    bar_.modify(CtrlExt::errata23(false) | CtrlExt::errata22(true));
    bar_.modify(Gcr::errata22(true));
    bar_.modify(Gcr2::errata0(true));
  }

  /// General settings that do not depend on queues. [8254x 14.3]
  void set_up_mac() noexcept {
    bar_.write(Vet::vet(0x8100));  // [quirk qemu] reads 0 after a reset; written always, as it is right everywhere
    bar_.write(Wuc::apme(false));
    bar_.write(Pba::rxa(20));  // 20 KiB receive, 20 KiB transmit [dpdk e1000]
    bar_.modify(CtrlExt::drv_load(true));
  }

  /// No PAUSE is sent or obeyed; the constants are what IEEE 802.3 says. [8254x 13.4.8]
  void set_up_flow_control() noexcept {
    bar_.write(Fcal::fcal(0x00C2'8001));
    bar_.write(Fcah::fcah(0x0100));
    bar_.write(Fct::fct(0x8808));
    bar_.write(Fcttv::ttv(0));
    bar_.write(Fcrtl::rtl(0));
    bar_.write(Fcrth::rth(0));
    bar_.modify(Ctrl::rfce(false) | Ctrl::tfce(false));
  }

  /// Speed and duplex by negotiation, which the reset has restarted. [8254x 14.3, 8.6]
  void negotiate_link() noexcept {
    bar_.modify(Ctrl::slu(true) | Ctrl::frcspd(false) | Ctrl::frcdplx(false) | Ctrl::ilos(false) |
                Ctrl::gio_master_disable(false));
  }

  reg::Device<Io, C>& device_;
  reg::Bar<Io> bar_;
};

/// Ring base and length, head and tail 0. [8254x 14.4]
template <reg::RegisterIo Io>
void set_up_rx_ring(reg::Bar<Io> bar, reg::Index queue, const DescRing<RxDescriptor>& ring) noexcept {
  bar.template write_pair<Rdbal, Rdbah>(queue, ring.bus().value());
  bar.write(queue, Rdlen::len.from(ring.bytes() / 128));
  bar.write(queue, Rdh::head(0));
  bar.write(queue, Rdt::tail(0));
  bar.write(queue, Rxdctl::gran(true) | Rxdctl::wthresh(1));  // write each descriptor back at once
}

/// Received frames are hashed; all go to queue 0. Cost: 43 MMIO writes. [82574]
template <reg::RegisterIo Io>
void set_up_hash(reg::Bar<Io> bar) noexcept {
  for (std::uint32_t i = 0; i < Rssrk::kCount; ++i) {
    bar.write(reg::Index{i}, Rssrk::bytes.from(rss_key_word(kDefaultRssKey, i)));
  }
  for (std::uint32_t i = 0; i < Reta::kCount; ++i) bar.write(reg::Index{i}, Reta::queues(0));
  bar.write(Mrqc::enable(1) | Mrqc::tcp_ipv4(true) | Mrqc::ipv4(true) | Mrqc::tcp_ipv6_ex(true) | Mrqc::ipv6(true) |
            Mrqc::tcp_ipv6(true));
}

/// Extended descriptors, frames up to 1522 bytes, FCS stripped, 2 KiB buffers; one write of RCTL. [8254x 14.4]
template <reg::RegisterIo Io>
void enable_rx(reg::Bar<Io> bar, bool promiscuous) noexcept {
  bar.write(Rdtr::delay(0));
  bar.write(Radv::delay(0));
  bar.write(Rfctl::exten(true) | Rfctl::ack_dis(true));
  bar.write(Rxcsum::ipofld(true) | Rxcsum::tuofld(true) | Rxcsum::pcsd(true));
  bar.write(Rctl::en(true) | Rctl::upe.from(promiscuous) | Rctl::mpe.from(promiscuous) | Rctl::bam(true) |
            Rctl::bsize(0) | Rctl::secrc(true));
}

/// Ring base and length, head and tail 0. [8254x 14.5]
template <reg::RegisterIo Io>
void set_up_tx_ring(reg::Bar<Io> bar, reg::Index queue, const DescRing<TxDescriptor>& ring) noexcept {
  bar.template write_pair<Tdbal, Tdbah>(queue, ring.bus().value());
  bar.write(queue, Tdlen::len.from(ring.bytes() / 128));
  bar.write(queue, Tdh::head(0));
  bar.write(queue, Tdt::tail(0));
  // Write back at once (wthresh 1, prefetch 31): completions of an idling ring must not wait. [linux e1000e]
  // Both queues alike, as the chip demands.
  for (const std::uint32_t q : {0u, 1u}) {
    bar.write(reg::Index{q}, Txdctl::gran(true) | Txdctl::count_desc(true) | Txdctl::wthresh(1) | Txdctl::hthresh(1) |
                                 Txdctl::pthresh(31));
  }
}

/// Full duplex, short frames padded to 60 bytes. [8254x 14.5]
template <reg::RegisterIo Io>
void enable_tx(reg::Bar<Io> bar) noexcept {
  bar.write(Tidv::idv(0));
  bar.write(Tadv::idv(0));
  bar.write(Tipg::ipgt(8) | Tipg::ipgr1(8) | Tipg::ipgr2(6));
  bar.modify(reg::Index{0}, Tarc::enable(true));
  bar.write(Tctl::en(true) | Tctl::psp(true) | Tctl::ct(15) | Tctl::cold(0x40) | Tctl::rtlc(true) | Tctl::mulr(true));
}

}  // namespace pollux::e1000
