// SPDX-License-Identifier: BSD-3-Clause
// PciSysfs: what the kernel says of PCI functions under /sys. The root is injectable, so tests use a tree of files.
#pragma once
#include <dirent.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <pollux/core/file.hpp>
#include <pollux/core/sort.hpp>
#include <pollux/pci/address.hpp>

namespace pollux {

/// Vendor and device id.
struct PciId {
  std::uint16_t vendor = 0;
  std::uint16_t device = 0;
  friend constexpr auto operator<=>(PciId, PciId) = default;
  [[nodiscard]] std::string to_string() const {
    return text::hex(vendor, 4).substr(2) + ":" + text::hex(device, 4).substr(2);
  }
};

struct PciFunctionInfo {
  Bdf bdf;
  PciId id;
  std::uint32_t class_code = 0;              ///< base class, subclass, programming interface
  std::optional<std::string> driver;         ///< the bound kernel driver
  std::optional<std::uint32_t> iommu_group;  ///< none: no IOMMU stands before this function
  int numa_node = -1;                        ///< -1: unknown
  std::vector<std::string> interfaces;       ///< network interfaces of the bound driver

  [[nodiscard]] bool is_ethernet() const noexcept { return class_code >> 8 == 0x0200; }
};

class PciSysfs {
 public:
  explicit PciSysfs(std::string root = "/sys") : root_(std::move(root)) {}

  [[nodiscard]] const std::string& root() const noexcept { return root_; }
  [[nodiscard]] std::string device_path(Bdf bdf) const { return root_ + "/bus/pci/devices/" + bdf.to_string(); }
  [[nodiscard]] std::string driver_path(const std::string& driver) const {
    return root_ + "/bus/pci/drivers/" + driver;
  }

  /// All functions, by address.
  [[nodiscard]] std::vector<Bdf> list() const {
    std::vector<Bdf> out;
    for (const std::string& name : names_in(root_ + "/bus/pci/devices")) {
      if (const auto bdf = Bdf::try_parse(name)) out.push_back(*bdf);
    }
    sort(out, [](const auto& a, const auto& b) { return a < b; });
    return out;
  }

  /// Errors: raises ENODEV when there is no such function.
  [[nodiscard]] PciFunctionInfo info(Bdf bdf) const {
    const std::string path = device_path(bdf);
    const auto vendor = number(path + "/vendor"), device = number(path + "/device");
    if (!vendor || !device) {
      raise({.code = ENODEV,
             .operation = "find PCI device",
             .object = bdf.to_string(),
             .where = {},
             .remedy = "list the devices there are: lspci -D -nn"});
    }
    PciFunctionInfo out;
    out.bdf = bdf;
    out.id = {static_cast<std::uint16_t>(*vendor), static_cast<std::uint16_t>(*device)};
    out.class_code = static_cast<std::uint32_t>(number(path + "/class").value_or(0));
    out.driver = file::link_name(path + "/driver");
    if (const auto group = file::link_name(path + "/iommu_group")) out.iommu_group = text::try_number(*group, 10);
    out.numa_node = static_cast<int>(number(path + "/numa_node").value_or(-1));
    out.interfaces = names_in(path + "/net");
    return out;
  }

  /// Every function of an IOMMU group: they can be given to userspace only together.
  [[nodiscard]] std::vector<PciFunctionInfo> group_members(std::uint32_t group) const {
    std::vector<PciFunctionInfo> out;
    for (const std::string& name : names_in(text::cat(root_, "/kernel/iommu_groups/", group, "/devices"))) {
      if (const auto bdf = Bdf::try_parse(name)) out.push_back(info(*bdf));
    }
    return out;
  }

  /// Sorted names in a directory, without dot entries; empty when it cannot be read.
  [[nodiscard]] static std::vector<std::string> names_in(const std::string& directory) {
    std::vector<std::string> out;
    const struct Directory {
      DIR* stream;
      ~Directory() {
        if (stream != nullptr) ::closedir(stream);
      }
    } dir{::opendir(directory.c_str())};
    if (dir.stream == nullptr) return out;
    while (const dirent* entry = ::readdir(dir.stream)) {  // NOLINT(concurrency-mt-unsafe): own DIR stream
      if (entry->d_name[0] != '.') out.emplace_back(entry->d_name);
    }
    sort(out, [](const auto& a, const auto& b) { return a < b; });
    return out;
  }

 private:
  static std::optional<std::int64_t> number(const std::string& path) {
    auto text = file::try_read(path);
    if (!text) return std::nullopt;
    return std::strtoll(text.value().c_str(), nullptr, 0);
  }
  std::string root_;
};

}  // namespace pollux
