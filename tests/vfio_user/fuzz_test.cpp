// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user server under clients that mean no good: sequences of messages from fixed seeds, right, nearly right and
// wrong, cut anywhere, with descriptors of every sort. Afterwards nothing is left of them, and the next client is
// served.
//
//   POLLUX_FUZZ_SESSIONS=N: so many clients (default 1500); POLLUX_FUZZ_SEED=N: from this seed on.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include <pollux/ixgbe/model.hpp>
#include <pollux/sim/vfio_user_server.hpp>
#include <pollux/sim/wire.hpp>

#include "raw_client.hpp"

namespace {

using namespace vu;

unsigned from_environment(const char* name, unsigned otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 0));
}

template <class Model>
struct Target {
  explicit Target(const std::string& path) : server(device, path, {.answer_deadline = 20_ms}) {}
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Loopback wire;
  Model model{iommu, wire, faults};
  sim::ServedModel<Model> device{model};
  sim::VfioUserServer server;
};

class Attacker {
 public:
  using u64 = std::uint64_t;
  using u32 = std::uint32_t;

  explicit Attacker(unsigned seed) : random_(seed) {
    if (::pipe(pipe_.data()) != 0) std::abort();
  }
  ~Attacker() { ::close(pipe_[0]), ::close(pipe_[1]); }

  template <class Turn>
  void run(const std::string& path, Turn turn) {
    RawClient client(path, turn);
    if (chance(95)) (void)client.hello();
    for (unsigned i = 0, n = pick(60); i < n && client.alive(); ++i) {
      chance(15) ? use(client) : say(client);
      for (unsigned t = pick(3); t > 0; --t) turn();
      if (chance(50)) listen(client);
      if (chance(2)) return;
    }
  }

 private:
  u32 pick(u32 n) { return static_cast<u32>(random_() % n); }
  bool chance(u32 percent) { return pick(100) < percent; }
  template <class T, std::size_t N>
  T any(const std::array<T, N>& of) {
    return of[pick(N)];
  }
  u64 address() {
    const u64 near = 0x10000 + u64{pick(16)} * 4096;
    return chance(90) ? near : any(std::array<u64, 3>{near + pick(4096), random_(), ~u64{0} - pick(8192)});
  }
  u64 size() {
    return chance(90) ? u64{1 + pick(4)} * 4096 : any(std::array<u64, 3>{u64{pick(20)} * 4096, pick(70000), random_()});
  }
  u32 region() { return chance(90) ? any(std::array<u32, 3>{0, 0, 7}) : pick(12); }
  u32 width() { return chance(80) ? 4 : any(std::array<u32, 4>{1, 2, 8, pick(5000)}); }
  /// Where a write does most.
  u64 offset() {
    if (chance(3)) return random_();
    return any(std::array<u64, 5>{4, 0x72, u64{pick(64)} * 4, u64{pick(1024)} * 4, pick(0x20000)});
  }
  Bytes noise(std::size_t n) {
    Bytes out(n);
    for (std::byte& b : out) b = static_cast<std::byte>(random_());
    return out;
  }
  Bytes data(u32 n) {
    Bytes out = noise(n);
    if (n >= 4 && chance(60)) {
      const u32 value = any(std::array<u32, 5>{1, 6, 0xFFFF'FFFF, 0x10000 + pick(16) * 4096, pick(1 << 27)});
      std::memcpy(out.data(), &value, out.size() < 4 ? out.size() : 4);
    }
    return out;
  }

  Bytes body(Command command) {
    switch (command) {
      case Command::kDmaMap:
        return body_of(DmaMap{chance(98) ? 32 : pick(64), any(std::array<u32, 8>{3, 3, 3, 3, 3, 1, 2, pick(32)}),
                              chance(95) ? u64{pick(2)} * 4096 : random_(), address(), size()});
      case Command::kDmaUnmap:
        return chance(20) ? body_of(DmaUnmap{24, DmaUnmap::kAll, 0, 0})
                          : body_of(DmaUnmap{24, chance(90) ? 0 : pick(4), address(), size()});
      case Command::kDeviceInfo:
        return body_of(DeviceInfo{.argsz = 15 + pick(20)});
      case Command::kRegionInfo:
        return body_of(RegionInfo{.argsz = 31 + pick(20), .index = pick(10)});
      case Command::kIrqInfo:
        return body_of(IrqInfo{.argsz = 15 + pick(20), .index = pick(6)});
      case Command::kSetIrqs: {
        const u32 action = any(std::array<u32, 3>{IrqSet::kMask, IrqSet::kUnmask, IrqSet::kTrigger});
        const u32 what = any(std::array<u32, 3>{IrqSet::kNone, IrqSet::kBool, IrqSet::kEventFd});
        return body_of(IrqSet{20, chance(95) ? action | what : pick(256), pick(4), chance(70) ? 0 : pick(70),
                              chance(90) ? pick(4) : static_cast<u32>(random_())}) +
               noise(4 + pick(70));
      }
      case Command::kRegionRead:
        return body_of(RegionAccess{offset(), region(), width()});
      case Command::kRegionWrite: {
        const u32 n = width();
        return body_of(RegionAccess{offset(), region(), n}) + data(chance(95) ? n : pick(16));
      }
      case Command::kRegionWriteMulti: {
        const u64 n = pick(6);
        Bytes out = body_of(chance(95) ? n : random_());
        for (u64 i = 0; i < n; ++i) out = out + body_of(RegionAccess{offset(), region(), width()}) + data(8);
        return out;
      }
      default:
        return noise(pick(64));
    }
  }
  /// Sets the device going, if it is one of those that are tested here: what it is told is right, or nearly.
  void use(RawClient& client) {
    const int file = sealed_.fd();
    (void)client.post(Command::kDmaMap, body_of(DmaMap{32, 3, 0, 0x10000 + u64{pick(8)} * 8192, 8192}),
                      chance(50) ? std::span(&file, 1) : std::span<const int>{});
    const auto set = [&](u64 at, u64 value, u32 region_number = 0, u32 bytes = 4) {
      client.write(region_number, chance(99) ? at : offset(), chance(98) ? value : random_(), bytes);
    };
    set(pci_config::kCommand, 6, kConfigRegion, 2);
    const u64 a = address(), b = address();
    if (chance(50)) {
      set(Copier::kSrc, a), set(Copier::kSrc + 4, a >> 32), set(Copier::kDst, b), set(Copier::kDst + 4, b >> 32);
      set(Copier::kLen, size()), set(Copier::kGo, 1);
      return;
    }
    // The 82599's queues 0: rings at a and b, then tails.
    set(0x6000, a), set(0x6004, a >> 32), set(0x6008, 128 * (1 + pick(4))), set(0x4A80, 1), set(0x6028, 1u << 25);
    set(0x1000, b), set(0x1004, b >> 32), set(0x1008, 128 * (1 + pick(4))), set(0x1014, 0x02000002);
    set(0x1028, 1u << 25), set(0x3000, 1), set(0x5080, 0x702), set(0x1018, pick(8)), set(0x6018, pick(8));
    if (chance(50)) set(0x0808, 0xFFFF'FFFF);
  }
  std::vector<int> descriptors(Command command, const Bytes& text) {
    if (!chance(command == Command::kDmaMap ? 60 : command == Command::kSetIrqs ? 80 : 3)) return {};
    std::vector<int> out(command == Command::kDmaMap && chance(95) ? 1 : pick(64));
    if (command == Command::kSetIrqs && chance(95)) out.resize(load<IrqSet>(text).count % 64);
    for (int& fd : out) {
      fd = command == Command::kSetIrqs && chance(95)
               ? event_.fd()
               : any(std::array{sealed_.fd(), sealed_.fd(), sealed_.fd(), unsealed_.fd(), event_.fd(), pipe_[0],
                                pipe_[1]});
    }
    return out;
  }
  void say(RawClient& client) {
    const auto command =
        static_cast<Command>(any(std::array<u32, 16>{2, 2, 3, 5, 7, 8, 8, 9, 9, 10, 10, 10, 10, 13, 15, pick(20)}));
    Bytes text = body(command);
    if (chance(3)) text.resize(pick(static_cast<u32>(text.size()) + 8));
    for (unsigned i = chance(4) ? pick(8) : 0; i > 0 && !text.empty(); --i) {
      text[pick(static_cast<u32>(text.size()))] = static_cast<std::byte>(random_());
    }
    const std::vector<int> fds = descriptors(command, text);
    if (chance(97)) {
      (void)client.post(command, text, fds, chance(40) ? Header::kNoReply : 0);
      return;
    }
    // In pieces, cut short, or with a header of noise.
    Header header{.id = static_cast<std::uint16_t>(random_()),
                  .command = static_cast<std::uint16_t>(command),
                  .size = static_cast<u32>(sizeof(Header) + text.size()),
                  .flags = chance(80) ? 0 : static_cast<u32>(random_())};
    if (chance(20)) header.size += pick(64);
    if (chance(5)) header.size = static_cast<u32>(random_());
    const Bytes all = body_of(header) + text;
    const std::size_t end = chance(80) ? all.size() : pick(static_cast<u32>(all.size()));
    for (std::size_t at = 0; at < end;) {
      const std::size_t n = std::min<std::size_t>(1 + pick(40), end - at);
      (void)::send(client.fd(), &all[at], n, MSG_DONTWAIT | MSG_NOSIGNAL);
      at += n;
    }
  }
  /// Answers what the server asks: rightly, wrongly, or not at all.
  void listen(RawClient& client) {
    while (auto m = client.next(2)) {
      if (m->header.is_reply() || chance(5)) continue;
      const auto transfer = load<DmaTransfer>(m->body);
      Bytes answer = body_of(transfer);
      if (m->header.is(Command::kDmaRead)) answer = answer + data(static_cast<u32>(transfer.count % (1 << 20)));
      if (chance(1)) answer.resize(pick(static_cast<u32>(answer.size()) + 1));
      Header to = m->header;
      if (chance(1)) to.id = static_cast<std::uint16_t>(random_());
      client.reply(to, answer, chance(3) ? ENODEV : 0);
    }
  }

  std::mt19937_64 random_;
  const Memory sealed_{4 * 4096}, unsealed_{4 * 4096, 0};
  const Event event_;
  std::array<int, 2> pipe_{};
};

template <class Model>
void survive(unsigned seed) {
  const Directory directory;
  const std::string path = directory / "device";
  Target<Model> target(path);
  const auto turn = [&] { (void)target.server.step(); };
  const Holdings before = Holdings::now();
  for (unsigned i = 0, n = from_environment("POLLUX_FUZZ_SESSIONS", 1500); i < n; ++i) {
    SCOPED_TRACE(seed + i);
    Attacker(seed + i).run(path, turn);
    while (target.server.connected()) turn();
    ASSERT_EQ(Holdings::now(), before);
    ASSERT_EQ(target.iommu.mappings(), 0u);
    if (i % 16 != 0) continue;
    target.faults.clear();
    RawClient good(path, turn);
    ASSERT_TRUE(good.hello());
    ASSERT_EQ(good.read(kConfigRegion, 0, 2), target.model.identity().id.vendor);
    good.write(kConfigRegion, pci_config::kCommand, 2, 2);
    (void)good.read(0, 0, 4);
    ASSERT_EQ(target.faults.count(), 0u);
  }
  const auto& counts = target.server.counts();
  const auto& memory = target.server.memory();
  std::printf("  %llu messages, %llu refused, %llu DMA reads and %llu writes by message\n",
              static_cast<unsigned long long>(counts.messages), static_cast<unsigned long long>(counts.refused),
              static_cast<unsigned long long>(memory.reads), static_cast<unsigned long long>(memory.writes));
  EXPECT_GT(memory.reads, 0u);
  EXPECT_GT(memory.writes, 0u);
  EXPECT_GT(2 * counts.messages, 3 * counts.refused) << "most of it should get past the first checks";
}

TEST(Fuzz, CopierSurvives) { survive<Copier>(from_environment("POLLUX_FUZZ_SEED", 1)); }
TEST(Fuzz, Model82599Survives) { survive<ixgbe::Model82599>(from_environment("POLLUX_FUZZ_SEED", 100'000)); }

}  // namespace
