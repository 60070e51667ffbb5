// SPDX-License-Identifier: BSD-3-Clause
// pollux-bench: compares ports, given by spec, on the same kind of wire, peer and frames, in one run.
#include <fmt/core.h>
#include <malloc.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <numeric>
#include <optional>
#include <pollux/net/pcap.hpp>
#include <pollux/visit_port.hpp>
#include <random>

#include "cases.hpp"
#include "document.hpp"
#include "private_network.hpp"
#include "report.hpp"
#include "results.hpp"
#include "threads.hpp"
#if defined(POLLUX_BENCH_WITH_DPDK)
#include "dpdk_pci_port.hpp"
#endif

namespace bench {
namespace {

/// What a spec means to the bench: a port of Pollux's, or, in the program that is built with DPDK, one of DPDK's.
bool is_dpdk([[maybe_unused]] std::string_view spec) {
#if defined(POLLUX_BENCH_WITH_DPDK)
  return DpdkPciPort::is_meant(spec);
#else
  return false;
#endif
}
void check_spec(std::string_view spec) {
  if (!is_dpdk(spec)) (void)pollux::PortSpec::parse(spec);
}
/// As pollux::visit_port.
template <class Use>
void visit(const std::string& spec, const pollux::OpenOptions& options, Use&& use) {
#if defined(POLLUX_BENCH_WITH_DPDK)
  if (is_dpdk(spec)) {
    DpdkPciPort& port = DpdkPciPort::get(spec);
    use(port, port.notes());
    return;
  }
#endif
  pollux::visit_port(spec, options, std::forward<Use>(use));
}

struct Options {
  std::vector<std::string> ports, peers;
  std::vector<std::string> cases{"cyclic", "ping-pong", "send", "receive", "forward"};
  std::uint64_t count = 100'000;  ///< cycles
  std::uint64_t frames = 0;       ///< of every other case; 0: a tenth of count
  double period_us = 250;
  double patience_s = 5;
  std::uint32_t cyclic_bytes = 1200;
  std::vector<std::uint32_t> sizes{64, 512, 1518};
  std::vector<std::uint32_t> bursts{1, 32};
  std::string pcap, json, report;
  std::string from;                      ///< a run of before instead of measuring
  std::vector<std::string> with_inline;  ///< files of the drivers alone
  std::string command;                   ///< the whole command line
  unsigned repeat = 3;
  bool prove = false, mixed = false, count_syscalls = true;
  int cpu = -1, peer_cpu = -1, fifo = 0;
};

constexpr std::uint64_t kMostSamples = 2'000'000;  ///< per pass; memory is taken before the loop runs

/// One port with its peer through all cases of one repetition.
class Comparison {
 public:
  Comparison(const Options& options, double tsc_hz, Results& results, SyscallCounter& counter)
      : options_(options), tsc_hz_(tsc_hz), results_(results), counter_(counter) {
    if (!options.pcap.empty()) capture_ = pollux::read_capture(options.pcap);
  }

  void run(const std::string& port_spec, const std::string& peer_spec, unsigned repetition) {
    port_spec_ = port_spec;
    peer_spec_ = peer_spec;
    repetition_ = repetition;
    const auto kind = is_dpdk(port_spec) ? pollux::PortKind::kPci : pollux::PortSpec::parse(port_spec).kind;
    proving_ = options_.prove && !pollux::is_kernel_port(kind);
    // Two models are joined by a cable; one alone is plugged into itself.
    cable_.reset();
    if (kind == pollux::PortKind::kSim && !peer_spec.empty()) cable_ = std::make_unique<pollux::sim::Cable>();
    visit(port_spec, open_options(cable_ ? &cable_->a() : nullptr), [&](auto& port, const std::string& notes) {
      PortFacts& facts = results_.facts(port_spec);
      facts.name = port.name();
      facts.peer = peer_spec;
      facts.notes = notes;
      facts.proven_without_syscalls = proving_;
      own_mac_ = port.mac();
      wait_for_link(port);
      for (const std::string& name : options_.cases) run_case(port, name);
      if (!capture_.empty()) replay(port);
    });
  }

 private:
  template <class P>
  void run_case(P& port, const std::string& name) {
    const std::uint64_t frames =
        options_.frames != 0 ? options_.frames : std::max<std::uint64_t>(options_.count / 10, 1);
    if (name == "cyclic") {
      measure(port, {name, "", options_.cyclic_bytes, 1}, PeerRole::kReflect, per_repetition(options_.count),
              [](auto&... a) { cyclic(a...); });
    } else if (name == "ping-pong") {
      measure(port, {name, "", options_.sizes.front(), 1}, PeerRole::kReflect, per_repetition(frames),
              [](auto&... a) { ping_pong(a...); });
    } else {
      std::vector<std::uint32_t> sizes = options_.sizes;
      if (options_.mixed) sizes = {Key::kMixed};
      for (const std::uint32_t bytes : sizes) {
        for (const std::uint32_t burst : options_.bursts) throughput(port, {name, name, bytes, burst}, frames);
      }
    }
  }

  template <class P>
  void throughput(P& port, const Key& key, std::uint64_t frames) {
    if constexpr (requires { port.smallest_receive(); }) {
      if (key.case_name != "send" && key.burst < port.smallest_receive()) return;  // it would receive nothing
    }
    const std::uint64_t n = per_repetition(frames);
    if (key.case_name == "send") {
      measure(port, key, PeerRole::kSwallow, n, [](auto&... a) { send(a...); });
    } else if (key.case_name == "receive") {
      measure(port, key, PeerRole::kSend, n, [](auto&... a) { receive(a...); });
    } else {
      measure(port, key, PeerRole::kSend, n, [](auto&... a) { forward(a...); });
    }
  }

  template <class P>
  void replay(P& port) {
    const ReplayedStream stream(capture_);
    const std::uint64_t frames = options_.frames != 0 ? options_.frames : options_.count / 10;
    const std::uint64_t n = per_repetition(std::max<std::uint64_t>(frames, stream.count()));
    measure_stream(port, {"replay", "send", Key::kCaptured, 1}, PeerRole::kSwallow, n, stream,
                   [](auto&... a) { send(a...); });
    measure_stream(port, {"replay", "receive", Key::kCaptured, 1}, PeerRole::kSend, n, stream,
                   [](auto&... a) { receive(a...); });
  }

  template <class P, class Loop>
  void measure(P& port, const Key& key, PeerRole role, std::uint64_t count, Loop loop) {
    const auto type = key.case_name == "cyclic" ? pollux::EtherType::kEtherCat : pollux::EtherType::kExperimental;
    // Without a peer the frames come back as they were sent (an EtherCAT segment, a loopback plug).
    const pollux::MacAddress other = peer_spec_.empty() ? own_mac_ : pollux::MacAddress{{0x02, 0, 0, 0, 0, 0x02}};
    const bool peer_sends = role == PeerRole::kSend;
    const GeneratedStream stream(lengths(key.frame_bytes), peer_sends ? own_mac_ : other, peer_sends ? other : own_mac_,
                                 type, next_tag_++);
    measure_stream(port, key, role, count, stream, loop);
  }

  /// A counting pass, then the measured pass.
  template <class P, class Loop>
  void measure_stream(P& port, const Key& key, PeerRole role, std::uint64_t count, const FrameStream& stream,
                      Loop loop) {
    fmt::print(stderr, "  {:<24}{} [{}/{}]\n", port_spec_, key.title(), repetition_ + 1, options_.repeat);
    constexpr std::uint64_t kCounted = 1000;
    if (options_.count_syscalls && repetition_ == 0) {
      const Outcome counted = pass(port, key, role, std::min(count, kCounted), stream, Watch::kCount, loop);
      (void)counted;
    }
    const Outcome out = pass(port, key, role, count, stream, proving_ ? Watch::kProveNone : Watch::kNothing, loop);
    const double seconds = static_cast<double>(out.elapsed) / tsc_hz_;
    const bool has_rate = key.case_name != "cyclic" && seconds > 0;
    const double rate = has_rate ? static_cast<double>(out.frames) / seconds : 0;
    const auto add = [&](const char* direction, const Samples& samples) {
      Key named = key;
      named.direction = direction;
      if (samples.size() != 0) results_.add(named, port_spec_, samples, rate);
    };
    add(key.case_name == "forward" ? "forward" : "send", out.send);
    add(key.case_name == "ping-pong" ? "round-trip" : "receive", out.receive);
    results_.facts(port_spec_).overruns += out.overruns;
  }

  template <class P, class Loop>
  Outcome pass(P& port, const Key& key, PeerRole role, std::uint64_t count, const FrameStream& stream, Watch watch,
               Loop loop) {
    discard_leftovers(port);
    std::optional<Peer> peer;
    Shared alone;
    if (!peer_spec_.empty())
      peer.emplace(peer_spec_, role, stream, count, open_options(cable_ ? &cable_->b() : nullptr), options_.peer_cpu);
    Shared& shared = peer ? peer->shared() : alone;
    Outcome out(static_cast<std::size_t>(std::min(count, kMostSamples)), key.case_name == "cyclic");
    const Pass plan{.stream = &stream,
                    .count = count,
                    .burst = key.burst,
                    .period = static_cast<std::uint64_t>(std::llround(options_.period_us * tsc_hz_ / 1e6)),
                    .patience = static_cast<std::uint64_t>(tsc_hz_ * options_.patience_s)};
    const std::uint64_t calls = run_measured({options_.cpu, options_.fifo}, watch, &counter_,
                                             [&]() noexcept { loop(port, plan, shared, out); });
    PortFacts& facts = results_.facts(port_spec_);
    if (peer) {
      peer->stop();
      out.verdict += peer->verdict();
    }
    facts.verdict += out.verdict;
    if (watch == Watch::kCount) {
      counted_calls_[port_spec_] += calls;
      // Every frame counts once for each direction in which the measured port carried it.
      counted_packets_[port_spec_] += out.frames * (role == PeerRole::kReflect || key.case_name == "forward" ? 2 : 1);
      facts.syscalls_per_packet = static_cast<double>(counted_calls_[port_spec_]) /
                                  static_cast<double>(std::max<std::uint64_t>(counted_packets_[port_spec_], 1));
    }
    return out;
  }

  /// Opening may take the link away for a while (a driver that is given an XDP program starts anew).
  template <class P>
  void wait_for_link(P& port) const {
    const pollux::SteadyClock clock;
    for (const auto end = clock.now() + patience(); !port.link().up && clock.now() < end;) let_device_work(port);
  }

  /// Frames of an earlier pass, or what the kernel said when the interface came up.
  template <class P>
  static void discard_leftovers(P& port) {
    const pollux::SteadyClock clock;
    for (auto quiet_since = clock.now(); clock.now() < quiet_since + pollux::Nanos{20'000'000};) {
      let_device_work(port);
      pollux::Burst<32> old(port.pool());
      if (port.rx_burst(old) != 0) quiet_since = clock.now();
    }
  }

  [[nodiscard]] std::uint64_t per_repetition(std::uint64_t n) const {
    return std::max<std::uint64_t>(n / options_.repeat, 1);
  }
  [[nodiscard]] pollux::Nanos patience() const { return pollux::Nanos{std::llround(options_.patience_s * 1e9)}; }
  static std::vector<std::uint16_t> lengths(std::uint32_t frame_bytes) {
    constexpr std::uint32_t kFcs = 4;
    if (frame_bytes != Key::kMixed) return {static_cast<std::uint16_t>(frame_bytes - kFcs)};
    std::vector<std::uint16_t> out;
    for (std::uint32_t i = 0; i <= 1514 - 60; ++i) out.push_back(static_cast<std::uint16_t>(60 + i * 613 % 1455));
    return out;
  }
  [[nodiscard]] pollux::OpenOptions open_options(pollux::sim::WireEnd* wire) const {
    return {.promiscuous = true, .restore_vlan = !options_.pcap.empty(), .link_deadline = patience(), .sim_wire = wire};
  }

  const Options& options_;
  double tsc_hz_;
  Results& results_;
  SyscallCounter& counter_;
  std::vector<std::vector<std::byte>> capture_;
  std::string port_spec_, peer_spec_;
  unsigned repetition_ = 0;
  bool proving_ = false;
  pollux::MacAddress own_mac_;
  std::uint32_t next_tag_ = std::random_device{}();  ///< of the next case's frames: another run's are foreign
  std::unique_ptr<pollux::sim::Cable> cable_;
  std::map<std::string, std::uint64_t> counted_calls_, counted_packets_;
};

/// What the TSC counts by: the greatest common divisor of the differences of readings. Some machines step by 26.
std::uint64_t tsc_step() {
  std::uint64_t step = 0, last = pollux::Tsc::fenced();
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t now = pollux::Tsc::fenced();
    step = std::gcd(step, now - last);
    last = now;
  }
  return step;
}

std::vector<std::string> method(const Options& options, double tsc_hz, double timing_ns) {
  std::vector<std::string> out{
      fmt::format("each port in turn, {} repetitions of all cases; figures are medians over the repetitions of each "
                  "repetition's own min, average, percentiles and max",
                  options.repeat),
      fmt::format("time: TSC, fenced before and after each call; it moves in steps of {:.2g} ns here; an empty "
                  "measurement takes {:.0f} ns, not subtracted",
                  static_cast<double>(tsc_step()) * 1e9 / tsc_hz, timing_ns),
      "send: one tx_burst call, per packet it took; receive: one rx_burst call that returned packets, per packet; "
      "round-trip: from before the send to the frame's return; forward: receive, exchange addresses, send, per packet",
      fmt::format(
          "cyclic: one {}-byte EtherCAT frame every {} us, {} cycles in all: receive what came back of the last "
          "cycle's, send the next, spin on the TSC until the next cycle",
          options.cyclic_bytes, options.period_us, options.count),
      fmt::format("frame sizes include 4 bytes FCS; at most {} frames are under way; every frame received is compared "
                  "byte for byte with what was sent",
                  kWindow),
      "system calls per packet: counted with ptrace in a pass of its own of up to 1000 frames or cycles a case (send, "
      "receive and empty looks together)",
      fmt::format("measured thread: {}, {}; peer thread: {}",
                  options.cpu < 0 ? "any CPU" : fmt::format("CPU {}", options.cpu),
                  options.fifo > 0 ? fmt::format("SCHED_FIFO {}", options.fifo) : "SCHED_OTHER",
                  options.peer_cpu < 0 ? "any CPU" : fmt::format("CPU {}", options.peer_cpu)),
  };
  return out;
}

double timing_overhead_ns(double tsc_hz) {
  std::vector<std::uint64_t> ticks;
  for (int i = 0; i < 1001; ++i) ticks.push_back(timed([] {}));
  std::nth_element(ticks.begin(), ticks.begin() + 500, ticks.end());
  return static_cast<double>(ticks[500]) * 1e9 / tsc_hz;
}

/// The files with the drivers alone, read and checked before anything is measured.
std::vector<nlohmann::json> read_inline(const Options& options) {
  std::vector<nlohmann::json> out;
  for (const std::string& path : options.with_inline) {
    nlohmann::json nothing{{"results", nlohmann::json::array()}};
    merge_inline(nothing, out.emplace_back(read_json(path)), path);
  }
  return out;
}

/// Writes what was asked for.
void write_files(nlohmann::json run, const std::vector<nlohmann::json>& additions, const Options& options) {
  for (std::size_t i = 0; i < additions.size(); ++i) merge_inline(run, additions[i], options.with_inline[i]);
  const auto write = [](const std::string& path, const std::string& text) {
    write_file(path, text);
    fmt::print("wrote {}\n", path);
  };
  if (!options.json.empty()) write(options.json, to_text(run));
  if (!options.report.empty())
    write(options.report, html_report(run, options.from.empty() ? "this run" : options.from));
}

int run(const Options& options) {
  for (const std::string& path : {options.json, options.report}) {
    if (!path.empty()) expect_writable(path);
  }
  const std::vector<nlohmann::json> additions = read_inline(options);
  if (!options.from.empty()) {
    write_files(read_json(options.from), additions, options);
    return 0;
  }
  for (const std::string& spec : options.ports) check_spec(spec);
  for (const std::string& spec : options.peers) {
    if (!spec.empty()) (void)pollux::PortSpec::parse(spec);
  }
  SyscallCounter counter;  // forks, so before anything is opened
  const double tsc_hz = pollux::Tsc::measure_hz(pollux::Nanos{200'000'000});
  const double timing_ns = timing_overhead_ns(tsc_hz);
  for (const auto& [what, value] : describe_machine(tsc_hz)) fmt::print("{:<16}{}\n", what, value);
  const RunFacts facts{.method = method(options, tsc_hz, timing_ns), .command = options.command, .started = utc_now()};
  for (const std::string& line : facts.method) fmt::print("method          {}\n", line);
  std::fflush(stdout);
  constexpr std::size_t kStretches = 240;  // of a port's cycles over time, as many as a chart can show
  Results results(1e9 / tsc_hz, std::max<std::size_t>(kStretches / options.repeat, 1));
  Comparison comparison(options, tsc_hz, results, counter);
  for (unsigned repetition = 0; repetition < options.repeat; ++repetition) {
    for (std::size_t i = 0; i < options.ports.size(); ++i) {
      comparison.run(options.ports[i], options.peers.empty() ? "" : options.peers[i], repetition);
    }
  }
  fmt::print("{}{}{}", results.histograms(), results.table(), results.verdicts());
  write_files(to_json(results, facts), additions, options);
  if (results.clean()) return 0;
  fmt::print(stderr, "pollux-bench: frames were lost, repeated or damaged (see above)\n");
  return 1;
}

/// --dev: the device joined to its like, before it the kernel's sockets where they can be had.
void compare_with_kernel(const std::string& dev, Options& o) {
  if (pollux::PortSpec::parse(dev).kind != pollux::PortKind::kSim) {  // a loopback plug, or an EtherCAT segment
    if (!o.peers.empty()) o.peers.emplace_back();
    o.ports.push_back(dev);
    return;
  }
  o.peers.resize(o.ports.size());
  if (const std::string why = PrivateNetwork::enter(); why.empty()) {
    o.ports.emplace_back(PrivateNetwork::kPort);
    o.peers.emplace_back(PrivateNetwork::kPeer);
  } else {
    fmt::print("the PF_PACKET side is skipped: {}\n", why);
    fmt::print("  to get it: run as root, or allow user namespaces: sysctl kernel.unprivileged_userns_clone=1\n");
  }
  o.ports.push_back(dev);
  o.peers.push_back(dev);
}

/// What is measured.
void add_case_options(CLI::App& app, Options& o) {
  app.add_option("--case", o.cases, "cyclic, ping-pong, send, receive, forward (all by default); none for replay only")
      ->delimiter(',')
      ->check(CLI::IsMember({"cyclic", "ping-pong", "send", "receive", "forward", "none"}));
  app.add_option("--count", o.count, "cycles of the cyclic case, over all repetitions")
      ->capture_default_str()
      ->take_last()  // bench/run sets its own before the user's
      ->check(CLI::PositiveNumber);
  app.add_option("--frames", o.frames, "frames of every other case, over all repetitions; default a tenth of --count")
      ->take_last();
  app.add_option("--period", o.period_us, "cycle time [us]")->capture_default_str()->check(CLI::Range(1.0, 1e6));
  app.add_option("--cyclic-size", o.cyclic_bytes, "size of the EtherCAT frame [bytes with FCS]")
      ->capture_default_str()
      ->check(CLI::Range(64, 1518));
  app.add_option("--size", o.sizes, "frame sizes [bytes with FCS]")
      ->capture_default_str()
      ->delimiter(',')
      ->check(CLI::Range(64, 1518));
  app.add_flag("--mixed", o.mixed, "throughput cases: cycle through every size from 64 to 1518 instead");
  app.add_option("--burst", o.bursts, "packets per call")
      ->capture_default_str()
      ->delimiter(',')
      ->check(CLI::Range(1u, kMaxBurst));
  app.add_option("--pcap", o.pcap, "also replay the frames of this capture")->check(CLI::ExistingFile);
}

/// How it is measured.
void add_method_options(CLI::App& app, Options& o) {
  app.add_option("--repeat", o.repeat, "repetitions, ports in turn")->capture_default_str()->check(CLI::Range(1, 1000));
  app.add_flag("--prove-zero-syscalls", o.prove,
               "run the measured loops of NIC ports in a thread that the kernel kills "
               "at any system call");
  app.add_flag("!--no-syscall-count", o.count_syscalls, "skip the counting passes");
  app.add_option("--patience", o.patience_s, "without a link or any frame for so long, the rest is lost [s]")
      ->capture_default_str()
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--cpu", o.cpu, "pin the measured thread");
  app.add_option("--peer-cpu", o.peer_cpu, "pin the peer thread");
  app.add_option("--fifo", o.fifo, "SCHED_FIFO priority of the measured thread")->check(CLI::Range(0, 99));
}

/// What becomes of it.
void add_file_options(CLI::App& app, Options& o) {
  app.add_option("--json", o.json, "write machine, method, results and distributions to this file");
  app.add_option("--report", o.report, "write them as one HTML page with tables and charts to this file");
  app.add_option("--from", o.from, "measure nothing: write --report and --json from a file that --json wrote")
      ->check(CLI::ExistingFile)
      ->excludes(app.get_option("--dev"), app.get_option("--port"));
  app.add_option("--with-inline", o.with_inline,
                 "add the results of this JSON file, of drivers alone (bench/run --peers); may be given repeatedly")
      ->check(CLI::ExistingFile);
}

int parse_and_run(int argc, char** argv) {
  Options o;
  CLI::App app{"Compares packet ports on the same kind of wire, with the same peer and frames, in one run."};
  app.footer(
      "Ports: pci:DDDD:BB:DD.F (a NIC given to userspace: pollux-devbind), packet:IFNAME (raw PF_PACKET socket),\n"
      "packet-mmsg:IFNAME, packet-mmap:IFNAME (bursts, rings of PF_PACKET), xdp:IFNAME[/QUEUE] (AF_XDP),\n"
      "sim:ixgbe and sim:82574 (a NIC in software; as port and peer: two, joined by a cable).\n"
      "Examples: pollux-bench --dev sim:ixgbe\n"
      "          pollux-bench --port packet:eth1 --peer packet:eth2 --port pci:0000:03:00.0 --peer packet:eth3");
  std::string dev;
  app.add_option("--dev", dev,
                 "a sim: model against raw PF_PACKET on a veth pair of its own network namespace: needs no NIC, and no "
                 "root where user namespaces are allowed");
  app.add_option("--port", o.ports, "port to measure; give it once for each port to compare");
  app.add_option("--peer", o.peers,
                 "the station at the other end of each port's wire, in the same order; without "
                 "any, the wire itself must return frames");
  add_case_options(app, o);
  add_file_options(app, o);
  add_method_options(app, o);
  CLI11_PARSE(app, argc, argv);
  std::erase(o.cases, "none");
  o.command = shell_words(argc, argv);
  if ((!o.from.empty() || !o.with_inline.empty()) && o.report.empty() && o.json.empty()) {
    fmt::print(stderr, "pollux-bench: --from and --with-inline are for files; add --report FILE.html or --json FILE\n");
    return 2;
  }
  if (!o.from.empty()) return run(o);
  if (!dev.empty()) compare_with_kernel(dev, o);
  if (o.ports.empty()) {
    fmt::print(stderr, "pollux-bench: nothing to measure; try --dev sim:ixgbe, or --help\n");
    return 2;
  }
  if (!o.peers.empty() && o.peers.size() != o.ports.size()) {
    fmt::print(stderr, "pollux-bench: {} ports but {} peers; give one --peer for each --port\n", o.ports.size(),
               o.peers.size());
    return 2;
  }
  return run(o);
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
  // Device models allocate while they are stepped on the guarded thread; one heap that never shrinks, grown beforehand,
  // keeps them from asking the kernel for memory there.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TRIM_THRESHOLD, 1 << 30);
  ::mallopt(M_TOP_PAD, 64 << 20);
  try {
    return bench::parse_and_run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pollux-bench: {}\n", error.what());
    return 1;
  }
}
