// SPDX-License-Identifier: BSD-3-Clause
// A /sys made of files, for tests without devices.
#pragma once
#include <gtest/gtest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <system_error>

#include <pollux/pci/bind.hpp>

namespace fake_sys {

namespace fs = std::filesystem;
using pollux::Error;
using pollux::PciSysfs;

/// The error that `action` raises; a test failure and an empty one when it raises none.
template <class Action>
Error error_of(Action action) {
  try {
    action();
  } catch (const Error& error) { return error; }
  ADD_FAILURE() << "nothing was raised";
  return Error(pollux::Failure{});
}

inline testing::AssertionResult contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "'" << part << "' is not in: " << text;
}

inline void write_file(const fs::path& path, const std::string& content) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << content;
}

inline std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// A directory that is gone with its content when the test ends.
class TempDir {
 public:
  TempDir() {
    std::string name = (fs::temp_directory_path() / "pollux-pci-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp " + name);
    path_ = name;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// /sys with the formats of the real one [abi 1.1].
class FakeSys : public TempDir {
 public:
  [[nodiscard]] PciSysfs sysfs() const { return PciSysfs(path().string()); }
  [[nodiscard]] fs::path device(const std::string& bdf) const { return path() / "bus/pci/devices" / bdf; }
  [[nodiscard]] fs::path driver(const std::string& name) const { return path() / "bus/pci/drivers" / name; }
  [[nodiscard]] fs::path probe() const { return path() / "bus/pci/drivers_probe"; }

  void add(const std::string& bdf, const std::string& vendor, const std::string& device_id,
           const std::string& class_code) const {
    // The real tree holds the function below its bridge; bus/pci/devices has symbolic links to it.
    const fs::path real = path() / "devices/pci0000:00" / bdf;
    write_file(real / "vendor", vendor + "\n");
    write_file(real / "device", device_id + "\n");
    write_file(real / "class", class_code + "\n");
    write_file(real / "driver_override", "(null)\n");
    fs::create_directories(path() / "bus/pci/devices");
    fs::create_directory_symlink("../../../devices/pci0000:00/" + bdf, device(bdf));
    write_file(probe(), "--------------------\n");
  }
  void add_driver(const std::string& name) const {
    write_file(driver(name) / "bind", "--------------------\n");
    write_file(driver(name) / "unbind", "--------------------\n");
  }
  void bind(const std::string& bdf, const std::string& name) const {
    add_driver(name);
    fs::create_directory_symlink("../../../bus/pci/drivers/" + name, device(bdf) / "driver");
  }
  void put_in_group(const std::string& bdf, unsigned group) const {
    const std::string number = std::to_string(group);
    const fs::path members = path() / "kernel/iommu_groups" / number / "devices";
    fs::create_directories(members);
    fs::create_directory_symlink("../../../../devices/pci0000:00/" + bdf, members / bdf);
    fs::create_directory_symlink("../../../kernel/iommu_groups/" + number, device(bdf) / "iommu_group");
  }
};

}  // namespace fake_sys
