// SPDX-License-Identifier: BSD-3-Clause
// pollux-simnic: Pollux's models as network cards for virtual machines, and for drivers that speak vfio-user.
#include <pthread.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <pollux/core/clock.hpp>
#include <pollux/e1000/model.hpp>
#include <pollux/igb/model.hpp>
#include <pollux/ixgbe/model.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/net/pcapng.hpp>
#include <pollux/sim/kernel_wire.hpp>
#include <pollux/sim/pcap_tap.hpp>
#include <pollux/sim/vfio_user_server.hpp>

namespace {

using namespace pollux;

// ---- What is asked for --------------------------------------------------------------------------------------------

struct Options {
  std::vector<std::string> nics, sockets, wires, macs, pcaps, quirks;
  std::string faults, sfp_cable = "dac";
  std::uint64_t seed = 1;
  bool spin = false, trust_client = false, no_module = false;
};

[[noreturn]] void refuse(const std::string& what, const std::string& remedy) {
  raise({.code = EINVAL, .operation = "understand", .object = what, .where = {}, .remedy = remedy});
}

/// "drop=1e-4,delay=2ms" as faults of a wire.
class FaultSpec {
 public:
  static sim::WireFaults parse(std::string_view text) {
    sim::WireFaults out;
    while (!text.empty()) {
      const auto comma = text.find(',');
      const std::string_view one = text.substr(0, comma);
      const auto equals = one.find('=');
      if (equals == one.npos) bad(one);
      set(out, one.substr(0, equals), std::string(one.substr(equals + 1)));
      text = comma == text.npos ? std::string_view() : text.substr(comma + 1);
    }
    if (out.flap_every > Nanos{} && out.flap_for > out.flap_every) {
      refuse("--fault", "flap-for is no longer than flap-every");
    }
    return out;
  }

 private:
  [[noreturn]] static void bad(std::string_view one) {
    refuse(
        text::cat("--fault '", one, "'"),
        "drop=, duplicate=, corrupt=, reorder= take a probability from 0 to 1; delay=, flap-every=, flap-for= a time "
        "(5us, 2ms, 1s); rate= bytes a second");
  }
  static void set(sim::WireFaults& out, std::string_view name, const std::string& value) {
    if (name == "drop") return set_probability(out.drop, name, value);
    if (name == "duplicate") return set_probability(out.duplicate, name, value);
    if (name == "corrupt") return set_probability(out.corrupt, name, value);
    if (name == "reorder") return set_probability(out.reorder, name, value);
    if (name == "delay") return set_time(out.delay, name, value);
    if (name == "flap-every") return set_time(out.flap_every, name, value);
    if (name == "flap-for") return set_time(out.flap_for, name, value);
    double rate = 0;
    if (name != "rate" || number(value, rate) != value.size() || rate < 1 || rate > 1e15) bad(name);
    out.bytes_per_second = static_cast<std::uint64_t>(rate);
  }
  /// Returns how many characters it took; 0: it is none.
  static std::size_t number(const std::string& value, double& to) {
    char* end = nullptr;
    to = std::strtod(value.c_str(), &end);
    return static_cast<std::size_t>(end - value.c_str());
  }
  static void set_probability(double& to, std::string_view name, const std::string& value) {
    if (value.empty() || number(value, to) != value.size() || !(to >= 0 && to <= 1)) bad(name);
  }
  static void set_time(Nanos& to, std::string_view name, const std::string& value) {
    double n = 0;
    const std::string unit = value.substr(number(value, n));
    const double scale = unit == "us" ? 1e3 : unit == "ms" ? 1e6 : unit == "s" ? 1e9 : 0;
    if (scale == 0 || !(n >= 0 && n * scale < 1e15)) bad(name);
    to = Nanos{static_cast<std::int64_t>(n * scale)};
  }
};

// ---- One NIC ------------------------------------------------------------------------------------------------------

/// Passes everything on and counts it. Read by another thread for the status.
class CountingWire final : public sim::WireEnd {
 public:
  explicit CountingWire(sim::WireEnd& inner) : inner_(inner) {}
  bool transmit(std::span<const std::byte> frame) noexcept override {
    const bool taken = inner_.transmit(frame);
    if (taken) ++sent;
    return taken;
  }
  [[nodiscard]] std::span<const std::byte> front() noexcept override {
    return held ? std::span<const std::byte>() : inner_.front();
  }
  void consume() noexcept override {
    ++received;
    inner_.consume();
  }
  [[nodiscard]] bool link() const noexcept override { return inner_.link(); }
  void tick(Nanos now) noexcept override { inner_.tick(now); }
  std::atomic<std::uint64_t> sent{0}, received{0};
  bool held = false;  ///< nothing arrives

 private:
  sim::WireEnd& inner_;
};

/// A model of any kind and what serves it.
class Nic {
 public:
  /// The wire's layers from the outside in: the end, faults, capture, counter. `end` outlives the NIC.
  Nic(std::string kind, const std::string& socket, sim::WireEnd& end, const Options& o, const std::string& mac,
      const std::string& pcap, std::uint64_t seed)
      : kind_(std::move(kind)) {
    sim::WireEnd* inner = &end;
    if (!o.faults.empty()) {
      injector_ = std::make_unique<sim::FaultInjector>(*inner, FaultSpec::parse(o.faults), seed);
      inner = injector_.get();
    }
    if (!pcap.empty()) {
      capture_ = std::make_unique<PcapngWriter>(pcap, kind_);
      tap_ = std::make_unique<sim::PcapTap>(*inner, *capture_, PcapngWriter::wall_clock() - SteadyClock{}.now());
      inner = tap_.get();
    }
    wire_ = std::make_unique<CountingWire>(*inner);
    make_model(o, mac);
    server_ = std::make_unique<sim::VfioUserServer>(
        *device_, socket,
        sim::VfioUserServerConfig{.files = o.trust_client ? sim::ClientFiles::kAny : sim::ClientFiles::kSealed});
  }

  /// Returns whether anything moved.
  bool step() {
    const bool was = server_->connected();
    // A frame can be the answer to what the client has written here and nobody has read yet, descriptors for it too: on
    // PCIe such writes are faster than the wire. So all of them are read before a frame comes in.
    const auto before = server_->counts().messages;
    wire_->held = true;
    wire_->held = !server_->take();
    const bool moved = server_->move() || server_->counts().messages != before;
    if (server_->connected() != was) tell_client();
    if (const auto now = faults_.count(); now > told_ && told_ == 0) {
      fmt::print(stderr, "{}: {}\n", server_->path(), faults_.faults().front().text());
      fmt::print(stderr, "{}: the rest of what the driver does wrong is told at the end\n", server_->path());
      told_ = now;
    }
    return moved;
  }
  [[nodiscard]] int fd() const noexcept { return server_->fd(); }
  [[nodiscard]] bool connected() const noexcept { return server_->connected(); }

  void print_status() const {
    const auto& counts = server_->counts();
    const auto& memory = server_->memory();
    fmt::print("{} at {}: {} clients, {} messages ({} refused), {} frames sent, {} received\n", kind_, server_->path(),
               counts.clients, counts.messages, counts.refused, wire_->sent.load(), wire_->received.load());
    if (memory.reads + memory.writes != 0) {
      fmt::print("  memory by message: {} reads, {} writes; memory of a sealed memfd would be mapped\n", memory.reads,
                 memory.writes);
    }
    if (injector_) {
      const auto f = injector_->counts();
      fmt::print("  spoiled: {} dropped, {} duplicated, {} corrupted, {} reordered\n", f.dropped, f.duplicated,
                 f.corrupted, f.reordered);
    }
    if (tap_ && tap_->failure()) fmt::print("  the capture is not complete: {}\n", tap_->failure()->text());
    const auto faults = faults_.faults();
    fmt::print("  {} faults of the driver\n", faults_.count());
    for (const sim::Fault& f : faults) fmt::print("    {}\n", f.text());
    std::fflush(stdout);
  }
  void close() {
    if (capture_) capture_->close();
  }

 private:
  void tell_client() {
    if (server_->connected()) {
      fmt::print("{}: a client is there\n", server_->path());
    } else if (server_->complaint().empty()) {
      fmt::print("{}: the client has left\n", server_->path());
    } else {
      fmt::print("{}: the client was dropped: {}\n", server_->path(), server_->complaint());
    }
    std::fflush(stdout);
  }
  static MacAddress mac_of(const std::string& text, const MacAddress& otherwise) {
    if (text.empty()) return otherwise;
    const auto mac = MacAddress::try_parse(text);
    if (!mac) refuse(text::cat("--mac '", text, "'"), "a MAC address is six bytes: 02:00:00:00:00:01");
    if ((mac->bytes[0] & 1) != 0) refuse(text::cat("--mac '", text, "'"), "a card's address is no group's: 02:...");
    return *mac;
  }
  void make_model(const Options& o, const std::string& mac) {
    if (kind_ == "82574") {
      e1000::Model82574Config config;
      config.mac = mac_of(mac, config.mac);
      for (const std::string& name : o.quirks) {
        if (name == "linux") config.quirks = config.quirks | e1000::kLinuxQuirks;
        if (name == "dpdk") config.quirks = config.quirks | e1000::Quirk::kLinuxWritesReservedIam;
      }
      serve(std::make_unique<e1000::Model82574>(iommu_, *wire_, faults_, config));
      return;
    }
    if (kind_ == "82576") {
      igb::Model82576Config config;
      config.mac = mac_of(mac, config.mac);
      for (const std::string& name : o.quirks) {
        if (name == "linux") config.quirks = config.quirks | igb::kLinuxQuirks;
        if (name == "dpdk") config.quirks = config.quirks | igb::kDpdkQuirks;
      }
      serve(std::make_unique<igb::Model82576>(iommu_, *wire_, faults_, config));
      return;
    }
    ixgbe::Personality card;
    card.mac = mac_of(mac, card.mac);
    if (kind_ == "82599-sfp") card.media = ixgbe::Personality::Media::kSfp;
    card.sfp_module = !o.no_module;
    card.sfp_cable = o.sfp_cable == "optics" ? 0x00 : 0x04;
    serve(std::make_unique<ixgbe::Model82599>(iommu_, *wire_, faults_, card, quirks_of(o.quirks)));
  }
  static ixgbe::Quirks quirks_of(const std::vector<std::string>& names) {
    ixgbe::Quirks out;
    for (const std::string& name : names) out = out | quirks_of(name);
    return out;
  }
  static ixgbe::Quirks quirks_of(const std::string& name) {
    using enum ixgbe::Quirk;
    if (name == "linux") {
      return {kFctrlReserved, kEimsBit31,    kRahVind,         kStatusWrite, kNonsenseRing,   kUnlistedOffsets,
              kDcaBit12,      kEecDoWritten, kRxWriteBackLeft, kEitrLowBits, kFcrthBelowZero, kReceiveAsReset};
    }
    if (name == "dpdk") {
      return {kFctrlReserved,   kEimsBit31,   kHeadWrite,          kDcaBit12,     kRscDefaults,
              kSemaphoreForced, kPaylenShort, kFilterWhileRunning, kEecDoWritten, kFcrthBelowZero};
    }
    return {};
  }
  template <class Model>
  void serve(std::unique_ptr<Model> model) {
    model->set_time([] { return SteadyClock{}.now(); });
    device_ = std::make_unique<sim::ServedModel<Model>>(*model);
    model_ = std::move(model);
  }

  std::string kind_;
  sim::Iommu iommu_;
  sim::FaultLog faults_;
  std::unique_ptr<sim::FaultInjector> injector_;
  std::unique_ptr<PcapngWriter> capture_;
  std::unique_ptr<sim::PcapTap> tap_;
  std::unique_ptr<CountingWire> wire_;
  std::unique_ptr<sim::NicModel> model_;
  std::unique_ptr<sim::ServedDevice> device_;
  std::unique_ptr<sim::VfioUserServer> server_;
  std::uint64_t told_ = 0;
};

// ---- Stations: what shares a thread -------------------------------------------------------------------------------

/// The NICs on one wire and the thread that moves them.
class Station {
 public:
  std::vector<std::unique_ptr<Nic>> nics;
  std::unique_ptr<sim::Cable> cable;
  std::unique_ptr<sim::Loopback> loopback;
  std::unique_ptr<sim::DescriptorWire> outside;

  void start(int stop, bool spin) {
    thread_ = std::thread([this, stop, spin] {
      try {
        run(stop, spin);
      } catch (const std::exception& error) { fmt::print(stderr, "pollux-simnic: {}\n", error.what()); }
    });
  }
  /// The thread prints what its NICs have done, soon.
  void ask_for_status() noexcept { asked_ = true; }
  void print_status() const {
    for (const auto& nic : nics) nic->print_status();
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  /// Sleeps while nothing moves: briefly at first, because a model's timers and the far end of a cable tell nobody,
  /// longer when nothing has happened for a while.
  void run(int stop, bool spin) {
    std::vector<pollfd> fds{{.fd = stop, .events = POLLIN, .revents = 0}};
    for (const auto& nic : nics) fds.push_back({.fd = nic->fd(), .events = POLLIN, .revents = 0});
    if (outside) fds.push_back({.fd = outside->fd(), .events = POLLIN, .revents = 0});
    const SteadyClock clock;
    Nanos active = clock.now();
    for (unsigned turn = 0;; ++turn) {
      bool moved = false;
      for (const auto& nic : nics) moved = nic->step() || moved;
      if (spin && turn % 1024 != 0) continue;
      if (asked_.exchange(false)) print_status();
      const Nanos now = clock.now();
      if (moved) active = now;
      const std::int64_t idle = (now - active).count;
      const std::int64_t nap = spin || moved        ? 0
                               : idle < 2'000'000   ? 50'000
                               : idle < 100'000'000 ? 500'000
                                                    : 10'000'000;
      (void)sys::poll_for(fds.data(), fds.size(), nap);
      if ((fds[0].revents & POLLIN) != 0) return;
    }
  }
  std::atomic<bool> asked_{false};
  std::thread thread_;
};

/// One value for each NIC, one for all, or none.
std::string nth(const std::vector<std::string>& values, std::size_t i) {
  return values.empty() ? std::string() : values.size() == 1 ? values.front() : values.at(i);
}

void check_counts(const Options& o) {
  const auto match = [&](const std::vector<std::string>& values, const char* option, bool one_for_all) {
    const bool right = values.empty() || values.size() == o.nics.size() || (one_for_all && values.size() == 1);
    if (!right) refuse(option, text::cat("give it once for each --nic: ", o.nics.size(), " times"));
  };
  if (o.sockets.size() != o.nics.size()) refuse("--socket", "give one for each --nic, in the same order");
  match(o.wires, "--wire", true);
  match(o.macs, "--mac", false);
  match(o.pcaps, "--pcap", false);
  if (o.wires.size() == 1 && o.nics.size() > 1 && o.wires.front() != "cable" && o.wires.front() != "loopback") {
    refuse("--wire " + o.wires.front(), "several NICs need a wire each: give --wire once for each --nic");
  }
}

/// Makes what the wires say; NICs at a cable stand together, two by two.
std::deque<Station> make_stations(const Options& o) {
  std::deque<Station> out;
  std::optional<std::size_t> loose_end;  ///< the station whose cable has one NIC so far
  for (std::size_t i = 0; i < o.nics.size(); ++i) {
    std::string wire = nth(o.wires, i);
    if (wire.empty()) wire = o.nics.size() == 2 ? "cable" : "loopback";
    sim::WireEnd* end = nullptr;
    std::size_t at = out.size();
    if (wire == "cable" && loose_end) {
      at = *std::exchange(loose_end, std::nullopt);
      end = &out[at].cable->b();
    } else {
      Station& s = out.emplace_back();
      if (wire == "cable") {
        s.cable = std::make_unique<sim::Cable>();
        end = &s.cable->a();
        loose_end = at;
      } else if (wire == "loopback") {
        s.loopback = std::make_unique<sim::Loopback>();
        end = s.loopback.get();
      } else if (wire.starts_with("tap:")) {
        s.outside = std::make_unique<sim::TapWire>(wire.substr(4));
      } else if (wire.starts_with("dgram:")) {
        const auto comma = wire.find(',');
        s.outside = std::make_unique<sim::DatagramWire>(wire.substr(6, comma == wire.npos ? comma : comma - 6),
                                                        comma == wire.npos ? std::string() : wire.substr(comma + 1));
      } else {
        refuse(text::cat("--wire '", wire, "'"), "wires are tap:INTERFACE, dgram:PATH[,PEER], cable and loopback");
      }
      if (s.outside) end = s.outside.get();
    }
    const std::string mac = o.macs.empty() ? text::cat("02:00:00:00:00:", i < 9 ? "0" : "", i + 1) : o.macs[i];
    out[at].nics.push_back(std::make_unique<Nic>(o.nics[i], o.sockets[i], *end, o, mac, nth(o.pcaps, i), o.seed + i));
  }
  if (loose_end) refuse("--wire cable", "a cable has two ends: give two --nic with --wire cable");
  return out;
}

// ---- The program --------------------------------------------------------------------------------------------------

/// SIGINT, SIGTERM and SIGUSR1 as a descriptor, in every thread that is made from here on.
class Signals {
 public:
  Signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int s : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) sigaddset(&set, s);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    fd_.reset(::signalfd(-1, &set, SFD_CLOEXEC));
    if (!fd_) raise({.code = errno, .operation = "watch signals", .object = {}, .where = {}, .remedy = {}});
  }
  /// Waits for one.
  [[nodiscard]] int next() const {
    signalfd_siginfo info{};
    while (sys::read(fd_.get(), &info, sizeof info) != sizeof info) {}
    return static_cast<int>(info.ssi_signo);
  }

 private:
  UniqueFd fd_;
};

void print_hints(const Options& o) {
  for (std::size_t i = 0; i < o.nics.size(); ++i) { fmt::print("{} at {}\n", o.nics[i], o.sockets[i]); }
  fmt::print("ready; Ctrl-C ends, SIGUSR1 shows the status\n");
  std::fflush(stdout);
}

int serve(const Options& o) {
  check_counts(o);
  const Signals signals;
  const UniqueFd stop(sys::eventfd(0));
  std::deque<Station> stations = make_stations(o);
  print_hints(o);
  for (Station& s : stations) s.start(stop.get(), o.spin);
  while (signals.next() == SIGUSR1) {
    for (Station& s : stations) s.ask_for_status();
  }
  const std::uint64_t one = 1;
  (void)!sys::write(stop.get(), &one, sizeof one);
  for (Station& s : stations) s.join();
  for (Station& s : stations) {
    s.print_status();
    for (const auto& nic : s.nics) nic->close();
  }
  return 0;
}

int parse_and_serve(int argc, char** argv) {
  Options o;
  CLI::App app{"Serves Pollux's models of network cards on UNIX sockets by the vfio-user protocol."};
  app.footer(
      "A virtual machine with an 82599 (QEMU 10.1 or newer; its memory must be shared):\n"
      "  pollux-simnic --nic 82599 --socket /tmp/nic --wire tap:tap0 &\n"
      "  qemu-system-x86_64 ... -m 2G -object memory-backend-memfd,id=mem,size=2G,share=on -machine "
      "q35,memory-backend=mem\n"
      "    -device '{\"driver\":\"vfio-user-pci\",\"socket\":{\"type\":\"unix\",\"path\":\"/tmp/nic\"}}'\n"
      "Any Pollux program on it, without root: --dev vfio-user:/tmp/nic");
  app.add_option("--nic", o.nics, "82599 (CX4), 82599-sfp (SFP+, as X520), 82576, 82574; repeat it for several")
      ->required()
      ->check(CLI::IsMember({"82599", "82599-sfp", "82576", "82574"}));
  app.add_option("--socket", o.sockets, "where it is served; one for each --nic")->required();
  app.add_option(
      "--wire", o.wires,
      "what it is connected to: tap:INTERFACE, dgram:PATH[,PEER] (QEMU's -netdev dgram), cable (to the other "
      "--nic), loopback; default: cable for two, loopback else");
  app.add_option("--mac", o.macs, "its address; one for each --nic; default 02:00:00:00:00:01, :02 ...");
  app.add_option("--pcap", o.pcaps, "write what passes to this pcapng file; one for each --nic");
  app.add_option(
      "--fault", o.faults,
      "spoil what the NICs send: drop=, duplicate=, corrupt=, reorder= with a probability, delay=, flap-every=, "
      "flap-for= with a time, rate= [bytes/s]; e.g. drop=1e-4,delay=2ms");
  app.add_option("--seed", o.seed, "of --fault")->capture_default_str();
  app.add_option("--quirks", o.quirks,
                 "accept without a fault what drivers of linux or dpdk do though they should not; repeat it for both; "
                 "default: none")
      ->check(CLI::IsMember({"none", "linux", "dpdk"}));
  app.add_option("--sfp-cable", o.sfp_cable, "82599-sfp: dac (passive copper) or optics (SR)")
      ->capture_default_str()
      ->check(CLI::IsMember({"dac", "optics"}));
  app.add_flag("--no-module", o.no_module, "82599-sfp: an empty cage, without link");
  app.add_flag(
      "--trust-client", o.trust_client,
      "map memory of files that the client could shorten: faster than by message, and it can end this program");
  app.add_flag("--spin", o.spin, "never sleep: for latency, at the price of a CPU");
  CLI11_PARSE(app, argc, argv);
  return serve(o);
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return parse_and_serve(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "pollux-simnic: {}\n", error.what());
    return 1;
  }
}
