// SPDX-License-Identifier: BSD-3-Clause
// What is soldered around the 82599: its EEPROM with the SPI engine that reads it, the SFP module on its I2C wires, and
// the Personality that says which card this is.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include <pollux/core/clock.hpp>
#include <pollux/ixgbe/model_table.hpp>
#include <pollux/net/mac.hpp>

namespace pollux::ixgbe {

/// Which card the model is, and how slow it is. Times are of the model's clock [ns]; without one they must stay 0.
struct Personality {
  enum class Media : std::uint8_t {
    kCx4,  ///< 10F9: needs neither SFP nor PHY, AUTOC.LMS = 1
    kSfp,  ///< 10FB: SFP+ cage with a module, AUTOC.LMS = 3
  };
  Media media = Media::kCx4;
  MacAddress mac{{0x02, 0x00, 0x00, 0x82, 0x59, 0x99}};
  bool sfp_module = true;            ///< a module is in the cage; without it no link
  std::uint8_t sfp_cable = 0x04;     ///< ROM byte 8: 0x04 passive DA; 0: optics (then ROM byte 3 = 0x10, SR)
  std::vector<std::uint16_t> nvm{};  ///< EEPROM words; empty: an image with a right checksum
  Nanos reset_time{};                ///< CTRL.RST and LNK_RST read 1 so long
  Nanos nvm_load_time{};             ///< EEC.ARD reads 0 so long after a reset
  Nanos queue_time{};                ///< RXDCTL and TXDCTL ENABLE follow so much later
  Nanos link_time{};                 ///< from the wire's link to LINKS
};

namespace model {

/// The EEPROM: words, checksum, and an image that has all a driver looks for.
class Eeprom {
 public:
  static constexpr std::uint32_t kWords = 1024, kChecksumWord = 0x3F;

  explicit Eeprom(const Personality& p) : words_(p.nvm.empty() ? image(p) : p.nvm) { words_.resize(kWords); }
  [[nodiscard]] std::uint16_t read(std::uint32_t word) const noexcept { return words_[word % kWords]; }
  void write(std::uint32_t word, std::uint16_t value) noexcept { words_[word % kWords] = value; }

  /// Words 0 to 3E and the modules behind pointers 3 to E make BABAh together with word 3F.
  [[nodiscard]] static std::uint16_t checksum(const std::vector<std::uint16_t>& w) noexcept {
    std::uint32_t sum = 0;
    for (std::uint32_t i = 0; i < kChecksumWord; ++i) sum += w[i];
    for (std::uint32_t pointer = 3; pointer < 0xF; ++pointer) {
      const std::uint32_t at = w[pointer];
      if (at == 0 || at == 0xFFFF || at >= w.size()) continue;
      const std::uint32_t length = w[at];
      if (length == 0xFFFF) continue;
      for (std::uint32_t i = 1; i <= length && at + i < w.size(); ++i) sum += w[at + i];
    }
    return static_cast<std::uint16_t>(0xBABA - sum);
  }

 private:
  static std::vector<std::uint16_t> image(const Personality& p) {
    std::vector<std::uint16_t> w(kWords);
    w[0x00] = 0x0040;
    w[0x04] = 0x0080;  // one module, so that checksums have a pointer to follow
    w[0x80] = 3, w[0x81] = 0x1234, w[0x82] = 0xABCD, w[0x83] = 0x0082;
    w[0x15] = w[0x16] = 0xFFFF;  // no PBA string
    w[0x27] = w[0x28] = 0xFFFF;  // no SAN MAC
    if (p.media == Personality::Media::kSfp) add_sfp_blocks(w);
    w[kChecksumWord] = checksum(w);
    return w;
  }
  /// Firmware version above 5, any module allowed, no crosstalk workaround, init lists for DA and optics.
  static void add_sfp_blocks(std::vector<std::uint16_t>& w) {
    w[0x0F] = 0x00A0, w[0xA0 + 4] = 0x00B0, w[0xB0 + 7] = 6;
    w[0x2C] = 0x0081;
    w[0x2B] = 0x00C0;
    constexpr std::array<std::uint16_t, 14> kList{0, 3,      0x00E0, 4,      0x00E0, 5,      0x00E4,
                                                  6, 0x00E4, 7,      0x00E4, 8,      0x00E4, 0xFFFF};
    for (std::size_t i = 0; i < kList.size(); ++i) w[0xC0 + i] = kList[i];
    w[0xE0] = 0, w[0xE1] = 0x1001, w[0xE2] = 0x1002, w[0xE3] = 0xFFFF;
    w[0xE4] = 0, w[0xE5] = 0x2001, w[0xE6] = 0xFFFF;
  }
  std::vector<std::uint16_t> words_;
};

/// The SPI port of the EEPROM, moved by EEC's bits: samples DI when SK rises, changes DO when SK falls.
class SpiPort {
 public:
  explicit SpiPort(Eeprom& memory) noexcept : memory_(&memory) {}

  /// New levels; returns DO. `selected`: CS low and the pins granted.
  bool move(bool selected, bool clock, bool data) noexcept {
    if (!selected) {
      *this = SpiPort(*memory_, writable_ && phase_ != Phase::kWrite);
      return false;
    }
    if (clock && !clock_) rise(data);
    if (!clock && clock_) fall();
    clock_ = clock;
    return out_;
  }

 private:
  enum class Phase : std::uint8_t { kOpcode, kAddress, kRead, kBusy, kWrite, kIdle };
  SpiPort(Eeprom& memory, bool writable) noexcept : memory_(&memory), writable_(writable) {}

  void rise(bool data) noexcept {
    if (phase_ == Phase::kRead || phase_ == Phase::kBusy || phase_ == Phase::kIdle) return;
    shift_ = shift_ << 1 | (data ? 1u : 0u);
    ++count_;
    if (phase_ == Phase::kOpcode && count_ == 8) opcode();
    if (phase_ == Phase::kAddress && count_ == 16) start(shift_ & 0xFFFF);
    if (phase_ == Phase::kWrite && count_ == 8) store();
  }
  void opcode() noexcept {
    const std::uint32_t code = shift_ & 0xF7;  // bit 3 is address bit 8 of small parts
    write_ = code == 0x02;
    if (code == 0x06) writable_ = true;
    if (code == 0x04) writable_ = false;
    phase_ = code == 0x05 ? Phase::kBusy : code == 0x03 || code == 0x02 ? Phase::kAddress : Phase::kIdle;
    shift_ = count_ = 0;
  }
  void start(std::uint32_t address) noexcept {
    address_ = address;
    phase_ = write_ ? (writable_ ? Phase::kWrite : Phase::kIdle) : Phase::kRead;
    shift_ = count_ = 0;
  }
  void store() noexcept {
    const std::uint16_t old = memory_->read(address_ / 2);
    const std::uint32_t byte = shift_ & 0xFF;
    memory_->write(address_ / 2,
                   static_cast<std::uint16_t>(address_ % 2 == 0 ? (old & 0xFF00u) | byte : (old & 0xFFu) | byte << 8));
    ++address_;
    shift_ = count_ = 0;
  }
  void fall() noexcept {
    if (phase_ != Phase::kRead && phase_ != Phase::kBusy) return;
    const std::uint32_t word = memory_->read(address_ / 2);
    const std::uint32_t byte = phase_ == Phase::kBusy ? 0 : address_ % 2 == 0 ? word & 0xFF : word >> 8;
    out_ = (byte >> (7 - count_) & 1) != 0;
    if (++count_ == 8) {
      count_ = 0;
      ++address_;
    }
  }

  Eeprom* memory_;
  Phase phase_ = Phase::kOpcode;
  std::uint32_t shift_ = 0, count_ = 0, address_ = 0;
  bool clock_ = false, out_ = false, write_ = false, writable_ = false;
};

/// A module's I2C memory: 256 bytes at A0h and at A2h. Open-drain lines: false pulls low.
class I2cModule {
 public:
  explicit I2cModule(const Personality& p) : present_(p.media == Personality::Media::kSfp && p.sfp_module) {
    rom_[0] = 0x03;
    rom_[3] = p.sfp_cable == 0 ? 0x10 : 0x00;
    rom_[8] = p.sfp_cable;
    rom_[12] = 0x67;  // 10.3 Gbit/s
    rom_[38] = 0x1B, rom_[39] = 0x21;
  }
  [[nodiscard]] bool present() const noexcept { return present_; }

  /// The host's levels; returns the data line, which either side may pull low.
  bool move(bool clock, bool data) noexcept {
    if (present_) {
      if (clock && clock_ && data != data_) {
        data ? stop() : start();
      } else if (clock && !clock_) {
        rise(data);
      } else if (!clock && clock_) {
        fall();
      }
    }
    clock_ = clock;
    data_ = data;
    return data && out_;
  }

 private:
  enum class State : std::uint8_t { kIdle, kAddress, kOffset, kWrite, kRead };
  void start() noexcept { state_ = State::kAddress, bits_ = 0, shift_ = 0, out_ = true; }
  void stop() noexcept { state_ = State::kIdle, out_ = true; }
  /// The host's data bits, or its acknowledge of ours, are valid while the clock is high.
  void rise(bool data) noexcept {
    if (state_ == State::kIdle) return;
    ++bits_;
    if (bits_ <= 8) {
      shift_ = shift_ << 1 | (data ? 1u : 0u);
    } else if (state_ == State::kRead && data) {
      state_ = State::kIdle;  // not acknowledged: the host has enough
    }
  }
  /// Our own bits change while the clock is low.
  void fall() noexcept {
    if (state_ == State::kIdle) {
      out_ = true;
    } else if (bits_ == 8) {
      out_ = state_ == State::kRead || !received();
    } else {
      if (bits_ == 9) next_byte();
      out_ = state_ != State::kRead || (current() >> (7 - bits_) & 1) != 0;
    }
  }
  /// A byte from the host is complete; returns whether it is acknowledged.
  bool received() noexcept {
    const std::uint32_t byte = shift_ & 0xFF;
    if (state_ == State::kAddress && (byte & 0xFC) != 0xA0) return state_ = State::kIdle, false;
    if (state_ == State::kAddress) high_ = (byte & 2) != 0, reading_ = (byte & 1) != 0;
    if (state_ == State::kOffset) offset_ = byte;
    return true;
  }
  void next_byte() noexcept {
    bits_ = 0;
    shift_ = 0;
    if (state_ == State::kAddress) {
      state_ = reading_ ? State::kRead : State::kOffset;
    } else if (state_ == State::kOffset) {
      state_ = State::kWrite;
    } else {
      offset_ = (offset_ + 1) & 0xFF;
    }
  }
  [[nodiscard]] std::uint32_t current() const noexcept { return high_ ? 0 : rom_[offset_]; }

  std::array<std::uint8_t, 256> rom_{};
  State state_ = State::kIdle;
  std::uint32_t bits_ = 0, shift_ = 0, offset_ = 0;
  bool present_, clock_ = true, data_ = true, out_ = true, high_ = false, reading_ = false;
};

}  // namespace model
}  // namespace pollux::ixgbe
