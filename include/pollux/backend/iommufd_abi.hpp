// SPDX-License-Identifier: BSD-3-Clause
// The part of <linux/iommufd.h> and of newer <linux/vfio.h> that VfioCdevDevice speaks. Written out because Debian 12's
// headers (6.1) have neither; numbers and layouts are kernel ABI and do not change.
// Source: Linux 6.12 include/uapi/linux/iommufd.h and vfio.h.
#pragma once
#include <cstdint>

namespace pollux::iommufd {

// Plain numbers without size: _IO(';', n) of both interfaces.
inline constexpr unsigned long kDestroy = 0x3B80, kIoasAlloc = 0x3B81, kIoasIovaRanges = 0x3B84, kIoasMap = 0x3B85,
                               kIoasUnmap = 0x3B86;
inline constexpr unsigned long kVfioBind = 0x3B76, kVfioAttach = 0x3B77;

struct Destroy {
  std::uint32_t size;
  std::uint32_t id;
};
struct IoasAlloc {
  std::uint32_t size;
  std::uint32_t flags;
  std::uint32_t out_ioas_id;
};
struct IovaRange {
  std::uint64_t start;
  std::uint64_t last;  ///< inclusive
};
struct IoasIovaRanges {
  std::uint32_t size;
  std::uint32_t ioas_id;
  std::uint32_t num_iovas;  ///< in: room; out: how many there are
  std::uint32_t reserved;
  std::uint64_t allowed_iovas;  ///< pointer to IovaRange[]
  std::uint64_t out_iova_alignment;
};
inline constexpr std::uint32_t kMapFixedIova = 1, kMapWriteable = 2, kMapReadable = 4;
struct IoasMap {
  std::uint32_t size;
  std::uint32_t flags;
  std::uint32_t ioas_id;
  std::uint32_t reserved;
  std::uint64_t user_va;
  std::uint64_t length;
  std::uint64_t iova;
};
struct IoasUnmap {
  std::uint32_t size;
  std::uint32_t ioas_id;
  std::uint64_t iova;
  std::uint64_t length;  ///< out: how much was unmapped
};
struct VfioBind {
  std::uint32_t argsz;
  std::uint32_t flags;
  std::int32_t iommufd;
  std::uint32_t out_devid;
};
struct VfioAttach {
  std::uint32_t argsz;
  std::uint32_t flags;
  std::uint32_t pt_id;
  std::uint32_t pasid;
};
static_assert(sizeof(IoasAlloc) == 12 && sizeof(IoasIovaRanges) == 32 && sizeof(IoasMap) == 40);
static_assert(sizeof(IoasUnmap) == 24 && sizeof(VfioBind) == 16 && sizeof(VfioAttach) == 16);

}  // namespace pollux::iommufd
