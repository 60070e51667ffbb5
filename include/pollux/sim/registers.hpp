// SPDX-License-Identifier: BSD-3-Clause
// RegisterFile: a model's registers as data: what exists, how it may be accessed, which bits are there, reset values.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <pollux/sim/fault.hpp>

namespace pollux::sim {

/// What an access does, before the model's own hooks.
enum class Mode : std::uint8_t {
  kRO,  ///< writes are faults
  kRW,
  kWO,   ///< reads are faults and give 0
  kRC,   ///< a read gives the value and clears it; writes are faults
  kW1C,  ///< a write clears the bits written as one
  kRCW1C,
  kWS,  ///< a write sets the bits written as one (interrupt cause set, mask set)
};

/// A run of equal registers.
struct RegSpec {
  const char* name;
  Mode mode;
  std::uint32_t offset;
  std::uint32_t count = 1;
  std::uint32_t stride = 4;
  std::uint32_t mask = 0xFFFF'FFFF;  ///< bits that exist; setting another is a fault
  std::uint32_t reset = 0;
  const char* section = "";
};

/// One BAR of registers. Offsets that no RegSpec names are faults, as are wrong modes, widths and reserved bits.
/// The words lie in one array, so that a driver on shared memory can store its doorbells straight into it.
class RegisterFile {
 public:
  /// Pre: specs outlive the file and do not overlap; bytes a multiple of 4.
  RegisterFile(std::string device, std::size_t bytes, std::span<const RegSpec> specs, FaultLog& faults)
      : device_(std::move(device)), specs_(specs), faults_(&faults), words_(bytes / 4), spec_of_(bytes / 4, kNone) {
    for (std::size_t s = 0; s < specs.size(); ++s) {
      for (std::uint32_t i = 0; i < specs[s].count; ++i) {
        spec_of_.at((specs[s].offset + i * specs[s].stride) / 4) = static_cast<std::uint16_t>(s);
      }
    }
    reset();
  }
  /// Every register takes its reset value.
  void reset() noexcept {
    for (std::size_t w = 0; w < words_.size(); ++w) {
      if (spec_of_[w] != kNone) poke(static_cast<std::uint32_t>(w * 4), specs_[spec_of_[w]].reset);
    }
  }

  /// The model's own access: no rules. Pre: the offset lies in the BAR.
  [[nodiscard]] std::uint32_t peek(std::uint32_t offset) const noexcept {
    return __atomic_load_n(&words_[offset / 4], __ATOMIC_ACQUIRE);
  }
  void poke(std::uint32_t offset, std::uint32_t value) noexcept {
    __atomic_store_n(&words_[offset / 4], value, __ATOMIC_RELEASE);
  }
  void set(std::uint32_t offset, std::uint32_t bits) noexcept { poke(offset, peek(offset) | bits); }
  void clear(std::uint32_t offset, std::uint32_t bits) noexcept { poke(offset, peek(offset) & ~bits); }
  void add(std::uint32_t offset, std::uint32_t n) noexcept { poke(offset, peek(offset) + n); }

  /// Whether a driver may read there; a fault when not.
  [[nodiscard]] bool may_read(std::uint64_t offset, unsigned width) noexcept {
    const RegSpec* spec = check(offset, width);
    if (spec == nullptr) return false;
    if (spec->mode != Mode::kWO) return true;
    return fault(FaultKind::kAccessMode, static_cast<std::uint32_t>(offset), "is write only", 0), false;
  }
  /// A driver's read, between the model's hooks: the value and its clearing. Pre: may_read.
  [[nodiscard]] std::uint32_t read(std::uint32_t at) noexcept {
    const std::uint32_t value = peek(at);
    const Mode mode = find(at)->mode;
    if (mode == Mode::kRC || mode == Mode::kRCW1C) poke(at, 0);
    return value;
  }
  /// A driver's write, before the model's hook. Returns whether it was taken; `old` is what the register held.
  bool write(std::uint64_t offset, unsigned width, std::uint32_t value, std::uint32_t& old) noexcept {
    const RegSpec* spec = check(offset, width);
    if (spec == nullptr) return false;
    const auto at = static_cast<std::uint32_t>(offset);
    old = peek(at);
    if (spec->mode == Mode::kRO || spec->mode == Mode::kRC) {
      fault(FaultKind::kAccessMode, at, "is read only", value);
      return false;
    }
    if (const std::uint32_t reserved = value & ~spec->mask & ~old; reserved != 0) {
      fault(FaultKind::kReservedBit, at, text::cat("sets reserved bits ", text::hex(reserved, 8)), value);
    }
    switch (spec->mode) {
      case Mode::kW1C:
      case Mode::kRCW1C:
        poke(at, old & ~value);
        break;
      case Mode::kWS:
        poke(at, old | (value & spec->mask));
        break;
      case Mode::kWO:
        break;
      default:
        poke(at, (value & spec->mask) | (old & ~spec->mask));
        break;
    }
    return true;
  }

  /// Where a doorbell on shared memory is stored.
  [[nodiscard]] std::byte* memory() noexcept { return reinterpret_cast<std::byte*>(words_.data()); }
  [[nodiscard]] std::size_t bytes() const noexcept { return words_.size() * 4; }
  [[nodiscard]] const std::string& device() const noexcept { return device_; }

  /// "RDT[3]", or the offset where nothing lies.
  [[nodiscard]] std::string name(std::uint32_t offset) const {
    const RegSpec* spec = find(offset);
    if (spec == nullptr) return text::hex(offset, 5);
    return spec->count == 1 ? spec->name : text::cat(spec->name, "[", (offset - spec->offset) / spec->stride, "]");
  }
  void fault(FaultKind kind, std::uint32_t offset, std::string rule, std::uint64_t value) noexcept {
    const RegSpec* spec = find(offset);
    faults_->report({.kind = kind,
                     .device = device_,
                     .where = name(offset),
                     .rule = std::move(rule),
                     .section = spec == nullptr ? "" : spec->section,
                     .value = value});
  }
  [[nodiscard]] FaultLog& faults() noexcept { return *faults_; }

 private:
  static constexpr std::uint16_t kNone = 0xFFFF;
  [[nodiscard]] const RegSpec* find(std::uint32_t offset) const noexcept {
    const std::uint16_t s = offset / 4 < spec_of_.size() ? spec_of_[offset / 4] : kNone;
    return s == kNone ? nullptr : &specs_[s];
  }
  [[nodiscard]] const RegSpec* check(std::uint64_t offset, unsigned width) noexcept {
    const auto at = static_cast<std::uint32_t>(offset < bytes() ? offset : ~std::uint32_t{0});
    if (offset >= bytes() || find(at & ~3u) == nullptr) {
      return fault(FaultKind::kUnknownOffset, at, "no register lies there", offset), nullptr;
    }
    if (width != 4 || offset % 4 != 0) {
      return fault(FaultKind::kWidth, at & ~3u, text::cat("registers are aligned 32-bit words, not ", width, " bytes"),
                   offset),
             nullptr;
    }
    return find(at);
  }

  std::string device_;
  std::span<const RegSpec> specs_;
  FaultLog* faults_;
  std::vector<std::uint32_t> words_;
  std::vector<std::uint16_t> spec_of_;
};

}  // namespace pollux::sim
