// SPDX-License-Identifier: BSD-3-Clause
// MiiPhy: a copper PHY behind a gigabit MAC: its registers on pages, its link, its negotiation. No chip's own.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <pollux/core/clock.hpp>

namespace pollux::sim {

/// One PHY of 1000 Mbit/s full duplex. [IEEE 802.3 clause 22]  Threads: one.
class MiiPhy {
 public:
  static constexpr std::uint32_t kBmcr = 0, kBmsr = 1, kAnlpar = 5, kStat1000 = 10;
  static constexpr std::uint32_t kPaged = 16;  ///< registers from here on lie on pages; but the one that selects
  static constexpr std::uint16_t kReset = 1 << 15, kLoopback = 1 << 14, kAutoneg = 1 << 12, kPowerDown = 1 << 11,
                                 kIsolate = 1 << 10, kRestart = 1 << 9;  ///< of BMCR
  static constexpr std::uint16_t kBmsrLink = 1 << 2, kBmsrComplete = 1 << 5;
  static constexpr std::uint16_t kAnlparDone = 0x47E0, kStat1000Done = 0x3C00;  ///< read with a link, else 0

  struct Spec {
    std::uint32_t number;
    std::uint16_t writable, reset;
    std::uint32_t page = 0;
  };
  struct Chip {
    std::span<const Spec> registers;  ///< lives as long as the PHY
    std::uint32_t page_register;
    std::uint16_t page_mask;               ///< bits of it that name a page
    std::uint32_t status;                  ///< the vendor's register that tells speed and link
    std::uint16_t status_up, status_down;  ///< what it reads
  };

  explicit MiiPhy(const Chip& chip) : chip_(chip), values_(chip.registers.size()) { reset(); }

  /// Registers below `below` take their reset values. BMCR's reset leaves the vendor's own ones; it makes what was
  /// written to them take effect. [linux e1000e]
  void reset(std::uint32_t below = 32) noexcept {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (chip_.registers[i].number < below) values_[i] = chip_.registers[i].reset;
    }
  }
  /// The register of that number on the page that is selected; nullptr: the PHY does not answer.
  [[nodiscard]] const Spec* find(std::uint32_t number) const noexcept {
    const bool paged = number >= kPaged && number != chip_.page_register;
    const std::uint32_t page = paged ? *find_value(chip_.page_register, 0) & chip_.page_mask : 0u;
    const auto at = std::find_if(chip_.registers.begin(), chip_.registers.end(),
                                 [&](const Spec& r) { return r.number == number && r.page == page; });
    return at == chip_.registers.end() ? nullptr : &*at;
  }
  [[nodiscard]] std::uint16_t read(const Spec& spec) noexcept {
    const std::uint16_t stored = held(spec);
    if (spec.page != 0) return stored;
    if (spec.number == chip_.status) return link_ ? chip_.status_up : chip_.status_down;
    switch (spec.number) {
      case kBmsr: {  // its link bit is latched low: it tells of a loss since the last read
        const bool shown = link_ && !was_lost_;
        was_lost_ = !link_;
        return static_cast<std::uint16_t>(stored | (shown ? kBmsrLink : 0) | (link_ ? kBmsrComplete : 0));
      }
      case kAnlpar:
        return link_ ? kAnlparDone : std::uint16_t{0};
      case kStat1000:
        return link_ ? kStat1000Done : std::uint16_t{0};
      default:
        return stored;
    }
  }
  /// `done`: when a negotiation that this starts will be over.
  void write(const Spec& spec, std::uint16_t data, Nanos done) noexcept {
    held(spec) = static_cast<std::uint16_t>((data & spec.writable) | (held(spec) & ~spec.writable));
    if (spec.number != kBmcr) return;
    if ((data & kReset) != 0) reset(kPaged);
    if ((data & (kReset | kRestart)) != 0) negotiate(done);
  }
  void negotiate(Nanos done) noexcept {
    negotiated_at_ = done;
    link_ = false;
    was_lost_ = true;
  }
  /// A negotiation under way ends now.
  void end_negotiation(Nanos now) noexcept { negotiated_at_ = now; }
  /// Looks at the cable. `on`: nothing outside holds the PHY in reset; `done`: as for `write`.
  void update(bool cable, bool on, Nanos now, Nanos done) noexcept {
    const std::uint16_t control = bmcr();
    const bool off = !on || (control & (kPowerDown | kIsolate)) != 0;
    const bool carrier = !off && (cable || loops());
    if (carrier && !carrier_) negotiate(done);
    if (carrier && (control & kAutoneg) == 0) negotiated_at_ = now;
    carrier_ = carrier;
    link_ = carrier && now >= negotiated_at_;
    if (!link_) was_lost_ = true;
  }
  [[nodiscard]] bool link() const noexcept { return link_; }
  /// What is sent comes back.
  [[nodiscard]] bool loops() const noexcept { return (bmcr() & kLoopback) != 0; }

 private:
  [[nodiscard]] std::uint16_t& held(const Spec& spec) noexcept {
    return values_[static_cast<std::size_t>(&spec - chip_.registers.data())];
  }
  [[nodiscard]] const std::uint16_t* find_value(std::uint32_t number, std::uint32_t page) const noexcept {
    for (std::size_t i = 0; i < values_.size(); ++i) {
      if (chip_.registers[i].number == number && chip_.registers[i].page == page) return &values_[i];
    }
    return nullptr;
  }
  [[nodiscard]] std::uint16_t bmcr() const noexcept { return *find_value(kBmcr, 0); }

  Chip chip_;
  std::vector<std::uint16_t> values_;  ///< in the order of the table
  Nanos negotiated_at_;
  bool carrier_ = false, link_ = false, was_lost_ = true;
};

}  // namespace pollux::sim
