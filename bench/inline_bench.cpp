// SPDX-License-Identifier: BSD-3-Clause
// pollux-inline-bench: what the driver's own code costs per packet. The device is the 82599 model in shared memory, and
// moves only between the timed regions: no PCIe, no DMA; what is timed is the machine code that runs on hardware.
#include "inline_rig.hpp"

namespace {

int run(int argc, char** argv) {
  CLI::App app("What Pollux's ixgbe driver itself costs per packet, on the 82599 model");
  bench::InlineOptions options;
  options.add_to(app);
  CLI11_PARSE(app, argc, argv);
  options.settle();
  bench::place_threads(options);
  const auto plain = bench::plain_program(options), metadata = bench::metadata_program(options);
  plain->add_cases();
  metadata->add_few_cases();
  bench::describe_method(options, bench::CacheWalk(options.cold_bytes).bytes());
  benchmark::AddCustomContext("memory", plain->memory());
  const int status = bench::run_registered(app.remaining());
  return status != 0 ? status : plain->failed() || metadata->failed() ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pollux-inline-bench: %s\n", error.what());
    return 1;
  }
}
