// SPDX-License-Identifier: BSD-3-Clause
// Lists the NICs of this machine and what a userspace driver must know of each: 02_list_devices [--all]
#include <CLI/CLI.hpp>
#include <fmt/ranges.h>
#include <pollux/pci/scan.hpp>

int main(int argc, char** argv) try {
  CLI::App app{"Lists network devices: address, name, kernel driver, IOMMU group, NUMA node, interfaces."};
  bool all = false;
  app.add_flag("--all", all, "PCI functions of every class");
  CLI11_PARSE(app, argc, argv);

  const pollux::PciSysfs sysfs;  // what the kernel knows
  const pollux::PciNames names;  // what pci.ids knows
  const auto functions = sysfs.list();
  std::size_t shown = 0;
  for (const pollux::Bdf bdf : functions) {
    const pollux::PciFunctionInfo info = sysfs.info(bdf);
    if (!all && !info.is_ethernet()) continue;
    ++shown;
    fmt::print("{}  [{}] {}\n", bdf.to_string(), info.id.to_string(), names.device(info.id));
    if (all) fmt::print("    class       {}\n", names.device_class(info.class_code));
    fmt::print("    driver      {}\n", info.driver.value_or("none"));
    fmt::print("    IOMMU group {}\n", info.iommu_group ? std::to_string(*info.iommu_group) : "none");
    fmt::print("    NUMA node   {}\n", info.numa_node < 0 ? "unknown" : std::to_string(info.numa_node));
    if (!info.interfaces.empty()) fmt::print("    interfaces  {}\n", fmt::join(info.interfaces, ", "));
  }
  fmt::print("{} of {} PCI functions{}\n", shown, functions.size(), all ? "" : "; --all shows the rest");
} catch (const std::exception& error) {
  fmt::print(stderr, "02_list_devices: {}\n", error.what());
  return 1;
}
