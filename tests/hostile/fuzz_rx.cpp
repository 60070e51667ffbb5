// SPDX-License-Identifier: BSD-3-Clause
// libFuzzer target: clang++ -fsanitize=fuzzer,address,undefined; seeds in corpus/.
#include "fuzz_body.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::one({data, size});
  return 0;
}
