// SPDX-License-Identifier: BSD-3-Clause
// Sends numbered UDP packets, counts those that come back: 07_packet_generator [--dev SPEC] [--size N] [--rate N] ...
#include <csignal>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pollux/net/checksum.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/open_port.hpp>

using namespace pollux::literals;

namespace {
volatile std::sig_atomic_t stopped = 0;

struct Ipv4Header {  // [RFC 791 3.1]
  std::uint8_t version_ihl = 0x45, service = 0;
  pollux::Be16 length, id = 0, fragment = 0x4000;  // may not be fragmented
  std::uint8_t ttl = 64, protocol = 17;            // UDP
  pollux::Be16 checksum = 0;
  std::array<std::uint8_t, 4> source{198, 18, 0, 1}, destination{198, 18, 0, 2};  // for benchmarks [RFC 2544 C.2.2]
};
struct UdpHeader {                                                 // [RFC 768]
  pollux::Be16 source = 9, destination = 9, length, checksum = 0;  // the discard service; 0: no checksum
};
struct Headers {
  pollux::EthernetHeader ethernet;
  Ipv4Header ip;
  UdpHeader udp;
};
static_assert(sizeof(Headers) == 42);
constexpr std::size_t kNumberAt = sizeof(Headers);  // 64 bits, big endian

/// The frame without its number.
std::vector<std::byte> make_frame(std::uint16_t size, pollux::MacAddress from, pollux::MacAddress to) {
  constexpr std::uint16_t kEthernet = sizeof(pollux::EthernetHeader), kIp = sizeof(Ipv4Header);
  Headers h{.ethernet = {to, from, static_cast<std::uint16_t>(pollux::EtherType::kIpv4)}, .ip = {}, .udp = {}};
  h.ip.length = static_cast<std::uint16_t>(size - kEthernet);
  h.udp.length = static_cast<std::uint16_t>(size - kEthernet - kIp);
  h.ip.checksum = pollux::internet_checksum(std::as_bytes(std::span(&h.ip, 1)));
  std::vector<std::byte> frame(size);
  pollux::store_header(frame.data(), h);
  return frame;
}

/// Up to n packets, numbered from `first` on; the headers are written once, the copy is all that a packet costs.
void fill(pollux::PacketBurst& burst, std::uint64_t n, const std::vector<std::byte>& frame, std::uint64_t first) {
  burst.allocate(static_cast<std::uint32_t>(std::min<std::uint64_t>(n, burst.room())),
                 static_cast<std::uint16_t>(frame.size()));
  for (const pollux::Packet& packet : burst) {
    __builtin_memcpy(packet.data, frame.data(), frame.size());
    pollux::store_header(packet.data + kNumberAt, pollux::Be64(first++));
  }
}

/// Takes in what has arrived; returns how many of our packets were among it.
std::uint64_t receive(pollux::AnyPort& port) {
  pollux::Burst<64> burst(port.pool());
  port.rx_burst(burst);
  return static_cast<std::uint64_t>(std::count_if(burst.begin(), burst.end(), [](const pollux::Packet& packet) {
    return packet.length >= pollux::kMinFrame &&
           pollux::load_header<Headers>(packet.data).ip.source == Ipv4Header{}.source;
  }));
}
}  // namespace

int main(int argc, char** argv) try {
  CLI::App app{"Sends numbered UDP packets as fast as it can or at a rate, and counts those that come back."};
  std::string dev = "sim:ixgbe", to;
  std::uint64_t count = ~0ull;
  std::uint16_t size = pollux::kMinFrame;
  double rate = 0;
  app.add_option("--dev", dev, "port: sim:ixgbe, sim:82574, pci:BDF, packet:INTERFACE")->capture_default_str();
  app.add_option("--count", count, "packets; without it until Ctrl-C")->check(CLI::PositiveNumber);
  app.add_option("--size", size, "frame without FCS [bytes]")
      ->capture_default_str()
      ->check(CLI::Range(pollux::kMinFrame, pollux::kMaxFrame));
  app.add_option("--rate", rate, "[packets/s]; 0: as fast as it goes")->check(CLI::NonNegativeNumber);
  app.add_option("--to", to, "destination MAC; without it the port's own, which a switch does not pass on");
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGINT, [](int) { stopped = 1; });

  pollux::AnyPort port = pollux::open_port(dev, {.promiscuous = true});
  const auto destination = to.empty() ? port.mac() : pollux::MacAddress::try_parse(to);
  if (!destination) throw std::invalid_argument("--to " + to + ": expected six bytes such as 52:54:00:12:34:56");
  const std::vector<std::byte> frame = make_frame(size, port.mac(), *destination);

  const pollux::SteadyClock clock;
  const pollux::Nanos start = clock.now();
  const auto seconds = [&] { return static_cast<double>((clock.now() - start).count) * 1e-9; };
  std::uint64_t sent = 0, back = 0, reported = 0;
  pollux::Burst<32> burst(port.pool());
  for (double report = 1; sent < count && stopped == 0;) {
    const double now = seconds();
    const std::uint64_t due = rate > 0 ? std::min(count, static_cast<std::uint64_t>(now * rate) + 1) : count;
    if (burst.empty()) fill(burst, due - sent, frame, sent);
    sent += port.tx_burst(burst);  // what does not fit stays in the burst for the next round
    back += receive(port);
    if (now >= report) {
      fmt::print("{:12.0f} packets/s\n", static_cast<double>(sent - reported) / (now - report + 1));
      std::fflush(stdout);
      reported = sent;
      report = now + 1;
    }
  }
  const double took = seconds();
  while (back < sent && seconds() < took + 0.1) back += receive(port);  // those still on their way
  fmt::print("{} packets of {} bytes sent in {:.6f} s, {:.0f} packets/s; {} came back\n", sent, size, took,
             static_cast<double>(sent) / took, back);
} catch (const std::exception& error) {
  fmt::print(stderr, "07_packet_generator: {}\n", error.what());
  return 1;
}
