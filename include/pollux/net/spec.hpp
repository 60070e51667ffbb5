// SPDX-License-Identifier: BSD-3-Clause
// PortSpec: the text by which a user names a port.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include <pollux/core/error.hpp>

namespace pollux {

enum class PortKind : std::uint8_t { kPci, kSim, kPacketSocket, kPacketMmsg, kPacketMmap, kXdp, kVfioUser };

/// The port moves packets by system calls: on an interface of the kernel's, or as messages to another process.
constexpr bool is_kernel_port(PortKind kind) noexcept { return kind != PortKind::kPci && kind != PortKind::kSim; }

/// "pci:0000:03:00.0", "sim:ixgbe", "packet:eth0": what kind of port, and which.
struct PortSpec {
  PortKind kind{};
  /// A device (BDF, or BACKEND:BDF as DeviceSpec takes it), a model, an interface (xdp: /QUEUE), a path.
  std::string object;

  struct Entry {
    PortKind kind;
    std::string_view prefix;
    std::string_view example;
  };
  static constexpr std::array kKinds{
      Entry{PortKind::kPci, "pci", "pci:0000:03:00.0"},
      Entry{PortKind::kPci, "vfio", "vfio:0000:03:00.0"},
      Entry{PortKind::kPci, "vfio-cdev", "vfio-cdev:0000:03:00.0"},
      Entry{PortKind::kPci, "vfio-noiommu", "vfio-noiommu:0000:03:00.0"},
      Entry{PortKind::kPci, "uio", "uio:0000:03:00.0"},
      Entry{PortKind::kPci, "udd", "udd:0000:03:00.0"},
      Entry{PortKind::kPci, "sysfs", "sysfs:0000:03:00.0"},
      Entry{PortKind::kSim, "sim", "sim:ixgbe"},
      Entry{PortKind::kPacketSocket, "packet", "packet:eth0"},
      Entry{PortKind::kPacketMmsg, "packet-mmsg", "packet-mmsg:eth0"},
      Entry{PortKind::kPacketMmap, "packet-mmap", "packet-mmap:eth0"},
      Entry{PortKind::kXdp, "xdp", "xdp:eth0"},
      Entry{PortKind::kVfioUser, "vfio-user", "vfio-user:/path"},
  };

  /// Errors: raises EINVAL listing the kinds there are.
  static PortSpec parse(std::string_view text) {
    const auto colon = text.find(':');
    std::string known;
    for (const Entry& entry : kKinds) {
      if (colon != text.npos && text.substr(0, colon) == entry.prefix && colon + 1 < text.size()) {
        const bool names_backend = entry.kind == PortKind::kPci && entry.prefix != "pci";
        return {.kind = entry.kind, .object = std::string(names_backend ? text : text.substr(colon + 1))};
      }
      known += text::cat(known.empty() ? "" : ", ", entry.example);
    }
    raise({.code = EINVAL,
           .operation = "understand port",
           .object = text::cat("'", text, "'"),
           .where = {},
           .remedy = text::cat("expected KIND:OBJECT, one of ", known)});
  }
};

}  // namespace pollux
