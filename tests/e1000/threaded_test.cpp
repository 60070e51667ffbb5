// SPDX-License-Identifier: BSD-3-Clause
// The driver on one thread with doorbells in shared memory, two 82574 models stepped on another: built with
// ThreadSanitizer, this is the proof that the hand-offs of order.hpp are what they say.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <pollux/e1000/model.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/sim/backend.hpp>

namespace {

using namespace pollux;
using namespace pollux::e1000;
using Backend = sim::SimBackend<Model82574, sim::Doorbells::kShared, SteadyClock>;

void fill(Packet& p, const MacAddress& to, std::uint64_t n) {
  std::memcpy(p.data, to.bytes.data(), 6);
  for (std::size_t at = 6; at + 8 <= p.length; at += 8) {
    const std::uint64_t word = n * 0x9E37'79B9'7F4A'7C15u + at;
    std::memcpy(p.data + at, &word, sizeof word);
  }
}
bool right(const Packet& p, std::uint64_t n) {
  for (std::size_t at = 6; at + 8 <= p.length; at += 8) {
    const std::uint64_t word = n * 0x9E37'79B9'7F4A'7C15u + at;
    if (std::memcmp(p.data + at, &word, sizeof word) != 0) return false;
  }
  return true;
}
constexpr std::uint16_t length_of(std::uint64_t n) { return static_cast<std::uint16_t>(60 + n * 13 % 400); }

/// Frames one way with at most `kWindow` on their way, so that none is lost.
std::uint64_t run(Port<I82574, Backend>& from, Port<I82574, Backend>& to, BufferPool& pool, std::uint64_t frames) {
  constexpr std::uint64_t kWindow = 64;
  std::uint64_t sent = 0, got = 0;
  while (got < frames) {
    Burst<> out(pool);
    while (sent + out.size() < frames && sent + out.size() - got < kWindow && out.room() > 0) {
      const std::uint64_t n = sent + out.size();
      if (out.allocate(1, length_of(n)) == 0) break;
      fill(out[out.size() - 1], to.mac(), n);
    }
    if (!out.empty()) sent += from.tx_burst(out);
    Burst<> in(pool);
    if (to.rx_burst(in) == 0) std::this_thread::yield();
    for (const Packet& p : in) {
      if (p.length != length_of(got) || !right(p, got)) {
        std::fprintf(stderr, "frame %llu is wrong\n", static_cast<unsigned long long>(got));
        return got;
      }
      ++got;
    }
  }
  return got;
}

}  // namespace

int main(int argc, char** argv) {
  const std::uint64_t frames = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 200'000;
  sim::Iommu iommu;
  sim::FaultLog faults;
  sim::Cable cable;
  const Model82574Config first = Model82574Config{}.instant();
  Model82574Config second = first;
  second.mac = {{0x52, 0x54, 0x00, 0xAA, 0xBB, 0xCC}};
  Model82574 model_a(iommu, cable.a(), faults, first), model_b(iommu, cable.b(), faults, second);
  std::atomic<bool> stop{false};
  std::thread device([&] {
    while (!stop.load(std::memory_order_relaxed)) {
      const bool moved_a = model_a.step(), moved_b = model_b.step();
      if (!moved_a && !moved_b) std::this_thread::yield();
    }
  });
  std::uint64_t done = 0;
  {
    Backend backend_a(model_a, SteadyClock{}, "a"), backend_b(model_b, SteadyClock{}, "b");
    BufferPool pool(iommu, 1024);
    Port<I82574, Backend> a(backend_a, pool, {.rx_descriptors = 128, .tx_descriptors = 128});
    Port<I82574, Backend> b(backend_b, pool, {.rx_descriptors = 128, .tx_descriptors = 128});
    a.start();
    b.start();
    done = run(a, b, pool, frames / 2) + run(b, a, pool, frames - frames / 2);
  }
  stop = true;
  device.join();
  for (const sim::Fault& f : faults.faults()) std::fprintf(stderr, "%s\n", f.text().c_str());
  std::printf("%llu frames, %llu faults\n", static_cast<unsigned long long>(done),
              static_cast<unsigned long long>(faults.count()));
  return done == frames && faults.count() == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
