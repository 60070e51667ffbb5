// SPDX-License-Identifier: BSD-3-Clause
// The vfio-user protocol: what goes over the socket, for whoever serves devices and whoever drives them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

/// Version 0.x: every number in the host's byte order, structs packed as they stand. A message is a Header and its
/// body; descriptors travel with the header's first byte. Both sides send commands on the one socket.
namespace pollux::vfio_user {

enum class Command : std::uint16_t {
  kVersion = 1,
  kDmaMap = 2,
  kDmaUnmap = 3,
  kDeviceInfo = 4,
  kRegionInfo = 5,
  kRegionIoFds = 6,
  kIrqInfo = 7,
  kSetIrqs = 8,
  kRegionRead = 9,
  kRegionWrite = 10,
  kDmaRead = 11,   ///< server to client
  kDmaWrite = 12,  ///< server to client
  kDeviceReset = 13,
  kRegionWriteMulti = 15,
};

/// As the protocol calls it.
constexpr std::string_view name_of(Command c) noexcept {
  switch (c) {
    case Command::kVersion:
      return "VERSION";
    case Command::kDmaMap:
      return "DMA_MAP";
    case Command::kDmaUnmap:
      return "DMA_UNMAP";
    case Command::kDeviceInfo:
      return "DEVICE_GET_INFO";
    case Command::kRegionInfo:
      return "DEVICE_GET_REGION_INFO";
    case Command::kIrqInfo:
      return "DEVICE_GET_IRQ_INFO";
    case Command::kSetIrqs:
      return "DEVICE_SET_IRQS";
    case Command::kRegionRead:
      return "REGION_READ";
    case Command::kRegionWrite:
      return "REGION_WRITE";
    case Command::kDeviceReset:
      return "DEVICE_RESET";
    default:
      return "?";
  }
}

struct Header {
  std::uint16_t id = 0;  ///< of the command, chosen by its sender; a reply repeats it
  std::uint16_t command = 0;
  std::uint32_t size = 0;  ///< of the whole message [bytes]
  std::uint32_t flags = 0;
  std::uint32_t error = 0;  ///< errno, with kError

  static constexpr std::uint32_t kTypeMask = 0xF, kReply = 1, kNoReply = 0x10, kError = 0x20;
  [[nodiscard]] constexpr bool is_reply() const noexcept { return (flags & kTypeMask) == kReply; }
  [[nodiscard]] constexpr bool is(Command c) const noexcept { return command == static_cast<std::uint16_t>(c); }
};

struct Version {
  static constexpr std::uint16_t kMajor = 0, kMinor = 2;
  std::uint16_t major = kMajor, minor = kMinor;  ///< then text: a JSON object and a zero byte
};

struct DmaMap {
  static constexpr std::uint32_t kRead = 1, kWrite = 2;  ///< what the device may do
  std::uint32_t argsz = 0, flags = 0;
  std::uint64_t offset = 0;  ///< in the file that comes with it
  std::uint64_t address = 0, size = 0;
};
struct DmaUnmap {
  static constexpr std::uint32_t kDirtyPages = 1, kAll = 2;
  std::uint32_t argsz = 0, flags = 0;
  std::uint64_t address = 0, size = 0;
};
struct DmaTransfer {
  std::uint64_t address = 0, count = 0;  ///< then the data, of a write and of a read's reply
};

struct DeviceInfo {
  static constexpr std::uint32_t kReset = 1, kPci = 2;
  std::uint32_t argsz = 0, flags = 0, regions = 0, irqs = 0;
};

inline constexpr std::uint32_t kBars = 6, kConfigRegion = 7, kRegions = 9;  ///< region 6: ROM, 8: VGA
struct RegionInfo {
  static constexpr std::uint32_t kRead = 1, kWrite = 2, kMmap = 4, kCapabilities = 8;
  std::uint32_t argsz = 0, flags = 0, index = 0, first_capability = 0;  ///< the last: from the start of this struct
  std::uint64_t size = 0;
  std::uint64_t offset = 0;  ///< where the region begins in the file that comes with it
};
/// A region's capability, so far as it concerns mapping: only these areas can be mapped.
struct SparseAreas {
  static constexpr std::uint16_t kId = 1;
  std::uint16_t id = 0, version = 0;
  std::uint32_t next = 0;  ///< from the start of RegionInfo; 0: the last
  std::uint32_t areas = 0, reserved = 0;
};
struct SparseArea {
  std::uint64_t offset = 0, size = 0;
};
struct RegionAccess {
  std::uint64_t offset = 0;
  std::uint32_t region = 0, count = 0;  ///< then the data, of a write and of a read's reply
};
struct WriteMultiEntry {
  RegionAccess access;
  std::uint8_t data[8] = {};
};

enum class IrqIndex : std::uint32_t { kIntx = 0, kMsi = 1, kMsix = 2, kError = 3, kRequest = 4 };
inline constexpr std::uint32_t kIrqs = 5;
struct IrqInfo {
  static constexpr std::uint32_t kEventFd = 1, kMaskable = 2, kMasksItself = 4, kNoResize = 8;
  std::uint32_t argsz = 0, flags = 0, index = 0, count = 0;
};
struct IrqSet {
  static constexpr std::uint32_t kNone = 1, kBool = 2, kEventFd = 4, kDataMask = 7;
  static constexpr std::uint32_t kMask = 8, kUnmask = 16, kTrigger = 32, kActionMask = 56;
  std::uint32_t argsz = 0, flags = 0, index = 0, start = 0, count = 0;  ///< kBool: then `count` bytes
};

static_assert(sizeof(Header) == 16 && sizeof(Version) == 4 && sizeof(DmaMap) == 32 && sizeof(DmaUnmap) == 24);
static_assert(sizeof(DmaTransfer) == 16 && sizeof(DeviceInfo) == 16 && sizeof(RegionInfo) == 32);
static_assert(sizeof(SparseAreas) == 16 && sizeof(SparseArea) == 16 && sizeof(RegionAccess) == 16);
static_assert(sizeof(WriteMultiEntry) == 24 && sizeof(IrqInfo) == 16 && sizeof(IrqSet) == 20);

inline constexpr std::uint64_t kPageBytes = 4096;               ///< everything mapped is a multiple of it
inline constexpr std::uint32_t kDefaultMaxTransfer = 1u << 20;  ///< of one read or write, unless agreed [bytes]
inline constexpr std::uint32_t kDefaultMaxFds = 1;              ///< with one message, unless agreed

/// A T at the start of `bytes`; zeros as far as they are too short.
template <class T>
[[nodiscard]] T load(std::span<const std::byte> bytes) noexcept {
  T out{};
  if (!bytes.empty()) std::memcpy(&out, bytes.data(), bytes.size() < sizeof out ? bytes.size() : sizeof out);
  return out;
}
template <class T>
[[nodiscard]] std::span<const std::byte> bytes_of(const T& value) noexcept {
  return std::as_bytes(std::span(&value, 1));
}

}  // namespace pollux::vfio_user
