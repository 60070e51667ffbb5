// SPDX-License-Identifier: BSD-3-Clause
// Runs the corpus through what the fuzzer runs, with any compiler: fuzz_replay FILE_OR_DIRECTORY...
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz_body.hpp"

int main(int argc, char** argv) {
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    if (!std::filesystem::is_directory(argv[i])) {
      files.emplace_back(argv[i]);
      continue;
    }
    for (const auto& entry : std::filesystem::directory_iterator(argv[i])) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    std::printf("%s\n", file.c_str());  // the last line says which one it was
    std::fflush(stdout);
    std::ifstream in(file, std::ios::binary);
    if (!in) return EXIT_FAILURE;
    const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
    fuzz::one({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  }
  std::printf("%zu files\n", files.size());
  return files.empty() ? EXIT_FAILURE : EXIT_SUCCESS;
}
