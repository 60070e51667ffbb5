// SPDX-License-Identifier: BSD-3-Clause
// The e1000 driver through VFIO on an emulated 82574, in the lab's guest: NIC 0 - kernel's NIC 1, NIC 2 - NIC 3.
#include "../messages.hpp"
#include "lab_device.hpp"

#include <fstream>
#include <random>

#include <pollux/open_port.hpp>
#include <pollux/reg/dump.hpp>

using namespace pollux;
using namespace pollux::literals;
using messages::error_of;
using messages::expect_text;

namespace {

constexpr unsigned kOurs = 0, kKernels = 1, kLeft = 2, kRight = 3, kOther = 4;

/// Gives NICs 0, 2, 3 and the foreign one to vfio-pci for the program's run, and gives them back.
class Binding : public ::testing::Environment {
 public:
  void SetUp() override {
    for (const unsigned n : {kOurs, kLeft, kRight, kOther})
      former_.emplace_back(n, bind_driver(PciSysfs{}, lab::nic(n), "vfio-pci"));
    for (const auto& [n, former] : former_) ASSERT_EQ(PciSysfs{}.info(lab::nic(n)).driver, "vfio-pci");
  }
  void TearDown() override {
    for (const auto& [n, former] : former_) {
      ASSERT_TRUE(try_restore_driver(PciSysfs{}, lab::nic(n), former));
      EXPECT_EQ(PciSysfs{}.info(lab::nic(n)).driver, former) << "the former driver is back";
    }
  }

 private:
  std::vector<std::pair<unsigned, std::optional<std::string>>> former_;
};
const auto* const kBinding = ::testing::AddGlobalTestEnvironment(new Binding);

TEST(Bind, to_a_driver_that_is_not_loaded_says_how_to_load_it_and_leaves_the_old_one) {
  const Bdf bdf = lab::nic(kKernels);
  expect_text(error_of([&] { bind_driver(PciSysfs{}, bdf, "igb_uio"); }),
              {"igb_uio", "not loaded", "modprobe igb_uio"});
  EXPECT_EQ(PciSysfs{}.info(bdf).driver, "e1000e");
}

TEST(Bind, to_a_driver_that_refuses_the_device_brings_the_old_one_back) {
  const Bdf bdf = lab::nic(kKernels);
  expect_text(error_of([&] { bind_driver(PciSysfs{}, bdf, "virtio-pci"); }), {bdf.to_string().c_str(), "virtio-pci"});
  EXPECT_EQ(PciSysfs{}.info(bdf).driver, "e1000e");
}

TEST(Vfio, shows_configuration_space_and_its_capabilities) {
  VfioContainer domain;
  VfioDevice device(domain, lab::nic(kOurs));
  EXPECT_EQ(device.id(), (PciId{0x8086, 0x10D3}));
  const auto config = device.config();
  EXPECT_EQ(config.read16(0), 0x8086);
  EXPECT_EQ(config.read16(2), 0x10D3);
  const std::uint16_t command = config.read16(pci_config::kCommand);
  EXPECT_NE(command & pci_config::kCommandMemory, 0);
  EXPECT_EQ(command & pci_config::kCommandBusMaster, 0) << "a device just opened must not do DMA";
  auto capabilities = try_list_capabilities(config);
  ASSERT_TRUE(capabilities);
  std::vector<std::uint16_t> ids;
  for (const PciCapability c : capabilities.value()) ids.push_back(c.id);
  for (const int id : {0x01, 0x05, 0x10, 0x11}) {  // PM, MSI, PCIe, MSI-X
    EXPECT_NE(std::find(ids.begin(), ids.end(), id), ids.end()) << "capability " << id;
  }
  ASSERT_TRUE(try_list_extended_capabilities(config));
  EXPECT_TRUE(device.try_reset()) << "the kernel offers a reset";
}

TEST(Vfio, maps_hugepages_and_ordinary_pages_inside_the_allowed_ranges) {
  VfioContainer domain;
  VfioDevice device(domain, lab::nic(kOurs));
  const std::size_t free = dma::free_2m_pages();
  {
    const DmaRegion huge = DmaRegion::allocate(domain, 3 << 20);
    EXPECT_EQ(huge.page_bytes(), dma::kPage2M);
    EXPECT_EQ(huge.bus().value() % dma::kPage2M, 0u);
    EXPECT_EQ(dma::free_2m_pages(), free - 2);
    const DmaRegion small = DmaRegion::allocate(domain, 5000, PagePreference::kOrdinary);
    EXPECT_EQ(small.size(), 8192u);
    EXPECT_TRUE(small.bus().value() + small.size() <= 0xFEE0'0000 || small.bus().value() >= 0xFEF0'0000);
  }
  EXPECT_EQ(dma::free_2m_pages(), free) << "hugepages are given back";
}

TEST(Vfio, without_hugepages_uses_ordinary_pages_and_says_so) {
  std::ofstream("/proc/sys/vm/nr_hugepages") << 0;
  {
    lab::Opened nic(kOurs);
    EXPECT_EQ(nic.pool.page_bytes(), dma::kPage4K);
    expect_text(nic.pool.note(), {"no hugepages", "ordinary pages", "nr_hugepages"});
    nic.port.start();
  }
  std::ofstream("/proc/sys/vm/nr_hugepages") << 128;
}

TEST(Vfio, a_device_in_use_is_refused) {
  VfioContainer domain;
  VfioDevice device(domain, lab::nic(kOurs));
  VfioContainer second;
  expect_text(error_of([&] { VfioDevice again(second, lab::nic(kOurs)); }), {"/dev/vfio/", "busy", "fuser"});
}

TEST(Vfio, a_device_of_the_kernel_is_refused_with_the_commands_that_hand_it_over) {
  VfioContainer domain;
  expect_text(error_of([&] { VfioDevice device(domain, lab::nic(kKernels)); }),
              {"bound to driver e1000e", "driver_override", "drivers_probe"});
}

TEST(Port, refuses_a_nic_it_does_not_know) {
  expect_text(error_of([] { lab::Opened nic(kOther); }), {"8086:100e", "82574"});
}

TEST(Port, refuses_rings_and_pools_that_cannot_work) {
  VfioContainer domain;
  VfioDevice device(domain, lab::nic(kOurs));
  BufferPool pool(domain, 512);
  expect_text(error_of([&] { lab::Port82574 port(device, pool, {.rx_descriptors = 48}); }), {"48", "powers of two"});
  expect_text(error_of([&] { lab::Port82574 port(device, pool, {.rx_descriptors = 1024}); }), {"512 buffers"});
  BufferPool small(domain, 512, 1024);
  expect_text(error_of([&] { lab::Port82574 port(device, small); }), {"2048"});
  HostDomain host;
  BufferPool elsewhere(host, 512, 2048, PagePreference::kOrdinary);
  expect_text(error_of([&] { lab::Port82574 port(device, elsewhere); }), {"another DMA domain"});
}

TEST(Port, comes_up_with_link_and_address) {
  lab::Opened nic(kOurs);
  EXPECT_EQ(nic.port.mac().to_string(), "52:54:00:00:00:00");
  nic.port.start();
  EXPECT_EQ(nic.port.link(), (LinkState{.up = true, .full_duplex = true, .speed_mbps = 1000}));
  const std::string dump = reg::dump(nic.port.bar(), e1000::Registers{});
  expect_text(dump, {"CTRL ", "STATUS ", "lu=0x1", "RCTL ", "(not read: a read clears it)"});
}

TEST(Port, exchanges_frames_of_every_length_with_the_kernel) {
  lab::Opened nic(kOurs);
  nic.port.start();
  HostDomain host;
  BufferPool kernel_pool(host, 2048, 2048, PagePreference::kOrdinary);
  PacketSocket kernel(lab::interface_up(kKernels), kernel_pool, {.promiscuous = true});
  const auto cross = [](auto& from, auto& to) {
    std::uint32_t n = 0;
    for (std::uint16_t length = kMinFrame; length <= kMaxFrame;) {
      Burst<32> burst(from.pool());
      const std::uint32_t first = n;
      while (burst.room() > 0 && length <= kMaxFrame) {
        ASSERT_EQ(burst.allocate(1, length++), 1u);
        lab::write_frame(burst[burst.size() - 1], n++, to.mac(), from.mac());
      }
      lab::send_all(from, burst);
      const auto got = lab::receive(to, n - first);
      ASSERT_EQ(got.size(), n - first);
      for (std::uint32_t i = 0; i < got.size(); ++i) {
        EXPECT_EQ(got[i].first, first + i) << "order";
        EXPECT_EQ(got[i].second, kMinFrame + first + i) << "length";
      }
    }
  };
  cross(nic.port, kernel);
  cross(kernel, nic.port);
}

TEST(Port, receives_own_and_broadcast_only_unless_promiscuous) {
  lab::Opened nic(kOurs, {.promiscuous = false});
  nic.port.start();
  HostDomain host;
  BufferPool kernel_pool(host, 512, 2048, PagePreference::kOrdinary);
  PacketSocket kernel(lab::interface_up(kKernels), kernel_pool);
  const auto arrivals = [&](const MacAddress& to) {
    Burst<4> burst(kernel_pool);
    burst.allocate(4, 100);
    for (Packet& packet : burst) lab::write_frame(packet, 1, to, kernel.mac());
    lab::send_all(kernel, burst);
    return lab::count_arrivals(nic.port);
  };
  const MacAddress stranger{{0x02, 1, 2, 3, 4, 5}}, group{{0x01, 0x00, 0x5E, 0, 0, 0xFB}};
  EXPECT_EQ(arrivals(nic.port.mac()), 4u);
  EXPECT_EQ(arrivals(MacAddress::broadcast()), 4u);
  EXPECT_EQ(arrivals(stranger), 0u);
  EXPECT_EQ(arrivals(group), 0u);
  nic.port.set_promiscuous(true);
  EXPECT_EQ(arrivals(stranger), 4u);
  EXPECT_EQ(arrivals(group), 4u);
  nic.port.set_promiscuous(false);
  EXPECT_EQ(arrivals(stranger), 0u);
}

TEST(Port, counts_what_it_carries) {
  lab::Opened left(kLeft), right(kRight);
  left.port.start();
  right.port.start();
  constexpr std::uint32_t kFrames = 100, kLength = 500;
  for (std::uint32_t n = 0; n < kFrames; n += 10) {
    Burst<10> burst(left.pool);
    burst.allocate(10, kLength);
    for (Packet& packet : burst) lab::write_frame(packet, n, right.port.mac(), left.port.mac());
    lab::send_all(left.port, burst);
    EXPECT_EQ(lab::receive(right.port, 10).size(), 10u);
  }
  for (int round = 0; round < 2; ++round) {  // the device's counters clear on read, ours do not
    const PortStats sent = left.port.stats(), got = right.port.stats();
    EXPECT_EQ(sent.tx_packets, kFrames);
    EXPECT_EQ(sent.tx_bytes, kFrames * kLength);
    EXPECT_EQ(sent.tx_errors, 0u);
    EXPECT_EQ(got.rx_packets, kFrames);
    EXPECT_EQ(got.rx_bytes, kFrames * kLength);
    EXPECT_EQ(got.rx_errors + got.rx_missed + got.rx_rejected, 0u);
  }
}

TEST(Port, carries_random_bursts_many_times_around_small_rings) {
  const e1000::Config small{.rx_descriptors = 64, .tx_descriptors = 32, .promiscuous = true};
  lab::Opened left(kLeft, small), right(kRight, small);
  left.port.start();
  right.port.start();
  std::mt19937 random(82574);  // NOLINT: the same walk every time
  std::uint32_t sent = 0, received = 0;
  while (received < 5000) {
    Burst<48> burst(left.pool, static_cast<std::uint32_t>(1 + random() % 48));
    burst.allocate(burst.capacity(), static_cast<std::uint16_t>(60 + random() % 1455));
    for (Packet& packet : burst) lab::write_frame(packet, sent++, right.port.mac(), left.port.mac());
    lab::send_all(left.port, burst);
    for (const auto& [n, length] : lab::receive(right.port, sent - received)) ASSERT_EQ(n, received++);
    ASSERT_EQ(received, sent) << "a frame is lost";
  }
}

TEST(Port, recovers_when_its_pool_ran_dry) {
  lab::Opened left(kLeft), right(kRight, {.rx_descriptors = 64, .promiscuous = true}, 64);
  left.port.start();
  right.port.start();
  std::vector<std::uint32_t> hoard(right.pool.free_count());
  right.pool.take(hoard);  // the application keeps every buffer: the ring cannot be refilled
  const auto send = [&](std::uint32_t frames) {
    for (std::uint32_t n = 0; n < frames; ++n) {
      Burst<1> burst(left.pool);
      burst.allocate(1, 60);
      lab::write_frame(burst[0], n, right.port.mac(), left.port.mac());
      lab::send_all(left.port, burst);
    }
  };
  {
    Burst<256> kept(right.pool);  // and every packet that arrives
    send(100);
    const SteadyClock clock;
    for (const auto end = clock.now() + 5_s; kept.size() < 63 && clock.now() < end;) right.port.rx_burst(kept);
    clock.pause(100_ms);
    EXPECT_EQ(right.port.rx_burst(kept), 0u);
    EXPECT_EQ(kept.size(), 63u) << "as many as the ring had buffers";
    EXPECT_GT(right.port.stats().rx_no_buffer, 0u);
  }
  right.pool.give(hoard);
  lab::receive(right.port, 100);  // what waited behind the full ring
  send(20);
  EXPECT_EQ(lab::receive(right.port, 20).size(), 20u);
}

TEST(Port, starts_and_stops_a_hundred_times_and_keeps_every_buffer) {
  lab::Opened left(kLeft, {.promiscuous = true}), right(kRight, {.promiscuous = true});
  left.port.start();
  for (int round = 0; round < 100; ++round) {
    right.port.start();
    Burst<3> burst(left.pool);
    burst.allocate(3, 200);
    for (Packet& packet : burst) lab::write_frame(packet, 7, right.port.mac(), left.port.mac());
    lab::send_all(left.port, burst);
    ASSERT_EQ(lab::receive(right.port, 3).size(), 3u) << "round " << round;
    right.port.stop();
    ASSERT_EQ(right.pool.free_count(), right.pool.count()) << "round " << round;
  }
}

TEST(Port, sends_deferred_bursts_only_on_commit) {
  lab::Opened left(kLeft, {.promiscuous = true, .doorbell = DoorbellPolicy::kDeferred}), right(kRight);
  left.port.start();
  right.port.start();
  for (std::uint32_t n = 0; n < 3; ++n) {
    Burst<1> burst(left.pool);
    burst.allocate(1, 60);
    lab::write_frame(burst[0], n, right.port.mac(), left.port.mac());
    EXPECT_EQ(left.port.tx_burst(burst), 1u);
  }
  EXPECT_EQ(lab::count_arrivals(right.port), 0u);
  left.port.commit();
  EXPECT_EQ(lab::receive(right.port, 3).size(), 3u);
}

TEST(Port, forwards_buffers_between_two_devices_of_one_domain) {
  VfioContainer domain;
  VfioDevice a(domain, lab::nic(kOurs)), b(domain, lab::nic(kLeft));
  BufferPool pool(domain, 4096);
  lab::Port82574 in(a, pool, {.promiscuous = true}), out(b, pool, {.promiscuous = true});
  in.start();
  out.start();
  lab::Opened right(kRight);
  right.port.start();
  HostDomain host;
  BufferPool kernel_pool(host, 512, 2048, PagePreference::kOrdinary);
  PacketSocket kernel(lab::interface_up(kKernels), kernel_pool);
  Burst<32> burst(kernel_pool);
  burst.allocate(32, 777);
  for (std::uint32_t n = 0; n < 32; ++n) lab::write_frame(burst[n], n, right.port.mac(), kernel.mac());
  lab::send_all(kernel, burst);
  const SteadyClock clock;
  std::uint32_t forwarded = 0;
  for (const auto end = clock.now() + 2_s; forwarded < 32 && clock.now() < end;) {
    Burst<8> moving(pool);
    in.rx_burst(moving);
    forwarded += out.tx_burst(moving);
  }
  EXPECT_EQ(lab::receive(right.port, 32).size(), 32u);
}

TEST(Link, that_is_down_is_reported_with_its_registers_and_comes_back) {
  lab::set_cable(kLeft, false);
  {
    lab::Opened nic(kLeft, {.link_deadline = 200_ms});
    expect_text(error_of([&] { nic.port.start(); }), {"link", "82574L", "STATUS 0x", "BMSR 0x", "cable"});
    EXPECT_FALSE(nic.port.link().up);
    EXPECT_EQ(nic.pool.free_count(), nic.pool.count()) << "a failed start keeps no buffer";
    lab::set_cable(kLeft, true);
    nic.port.start();
    EXPECT_TRUE(nic.port.link().up);
  }
  lab::set_cable(kLeft, true);
}

TEST(Link, lost_and_found_in_mid_traffic_leaves_a_working_port) {
  lab::Opened left(kLeft), right(kRight);
  left.port.start();
  right.port.start();
  const auto send = [&](std::uint32_t frames) {
    for (std::uint32_t n = 0; n < frames; n += 16) {
      Burst<16> burst(left.pool);
      burst.allocate(16, 300);
      for (Packet& packet : burst) lab::write_frame(packet, n, right.port.mac(), left.port.mac());
      lab::send_all(left.port, burst);
    }
  };
  send(160);
  EXPECT_EQ(lab::receive(right.port, 160).size(), 160u);
  lab::set_cable(kRight, false);
  EXPECT_FALSE(right.port.link().up);
  send(800);  // lost on the way, but no buffer may stay behind
  EXPECT_EQ(lab::count_arrivals(right.port), 0u);
  lab::set_cable(kRight, true);
  const SteadyClock clock;
  for (const auto end = clock.now() + 5_s; !right.port.link().up && clock.now() < end;) clock.pause(10_ms);
  EXPECT_TRUE(right.port.link().up);
  lab::count_arrivals(right.port);  // what the wire kept
  send(160);
  EXPECT_EQ(lab::receive(right.port, 160).size(), 160u);
  left.port.reclaim();
  EXPECT_EQ(left.pool.free_count(), left.pool.count() - 511) << "all but the receive ring's";
}

TEST(OpenPort, by_spec_shares_one_pool_and_closes_everything) {
  {
    auto ports = open_ports({"pci:" + lab::nic(kLeft).to_string(), "pci:" + lab::nic(kRight).to_string()},
                            {.buffers = 4096, .promiscuous = true});
    ASSERT_EQ(ports.size(), 2u);
    EXPECT_EQ(&ports[0].pool(), &ports[1].pool());
    Burst<16> burst(ports[0].pool());
    burst.allocate(16, 128);
    for (Packet& packet : burst) lab::write_frame(packet, 3, ports[1].mac(), ports[0].mac());
    lab::send_all(ports[0], burst);
    EXPECT_EQ(lab::receive(ports[1], 16).size(), 16u);
  }
  lab::Opened again(kLeft);  // the group is free again
}

TEST(Iommu, has_seen_no_fault) {
  // Every DMA of every test above went where it was allowed to go.
  EXPECT_NE(::system("dmesg | grep -E 'DMAR:.*(fault|DMA (Read|Write))'"), 0);
}

}  // namespace
