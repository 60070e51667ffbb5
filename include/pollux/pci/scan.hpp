// SPDX-License-Identifier: BSD-3-Clause
// Names for PCI ids, through libpci (link with -lpci): the only header that sees that library.
#pragma once
extern "C" {
#include <pci/pci.h>
}

#include <array>
#include <memory>
#include <string>

#include <pollux/pci/sysfs.hpp>

namespace pollux {

/// The pci.ids data base of the machine. Threads: one.
class PciNames {
 public:
  PciNames() : access_(::pci_alloc()) { access_->debug = access_->warning = quiet; }

  /// "Intel Corporation 82574L Gigabit Network Connection"; the numbers where the data base lacks the name.
  [[nodiscard]] std::string device(PciId id) const {
    std::array<char, 256> buffer{};
    const char* name = ::pci_lookup_name(access_.get(), buffer.data(), static_cast<int>(buffer.size()),
                                         PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE, id.vendor, id.device);
    return name == nullptr ? id.to_string() : name;
  }
  /// "Ethernet controller".
  [[nodiscard]] std::string device_class(std::uint32_t class_code) const {
    std::array<char, 256> buffer{};
    const char* name = ::pci_lookup_name(access_.get(), buffer.data(), static_cast<int>(buffer.size()),
                                         PCI_LOOKUP_CLASS, static_cast<int>(class_code >> 8));
    return name == nullptr ? text::hex(class_code, 6) : name;
  }

 private:
  static void quiet(char*, ...) {}
  struct Cleanup {
    void operator()(pci_access* access) const noexcept { ::pci_cleanup(access); }
  };
  std::unique_ptr<pci_access, Cleanup> access_;
};

}  // namespace pollux
