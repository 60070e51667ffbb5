// SPDX-License-Identifier: BSD-3-Clause
// Bar<Io>: a device's register window with typed access; Mmio: the real one; Doorbell: a tail register, resolved once.
#pragma once
#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>

#include <pollux/core/order.hpp>
#include <pollux/reg/register.hpp>

namespace pollux::reg {

/// How a register is reached: mapped memory, a strict software window, I/O ports. A small value type.
template <class Io>
concept RegisterIo = std::copy_constructible<Io> && requires(Io io, std::uint32_t offset, std::uint32_t value) {
  { io.read32(offset) } noexcept -> std::same_as<std::uint32_t>;
  { io.write32(offset, value) } noexcept;
};

/// A mapped BAR. Registers are little-endian, accesses exactly 32 bits wide.
/// Cost: a read is a round trip to the device (about 1 us on PCIe), a write is posted (tens of ns).
class Mmio {
 public:
  /// Pre: `base` maps `bytes` of a BAR and stays mapped while this is used.
  Mmio(std::byte* base, std::size_t bytes) noexcept : base_(base), bytes_(bytes) {}
  [[nodiscard]] std::uint32_t read32(std::uint32_t offset) const noexcept { return little(*at(offset)); }
  void write32(std::uint32_t offset, std::uint32_t value) const noexcept {
    dma::store_register(at(offset), little(value));
  }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }  ///< [bytes]

 private:
  volatile std::uint32_t* at(std::uint32_t offset) const noexcept {
    POLLUX_ASSERT(offset % 4 == 0 && offset + 4 <= bytes_, "register offset outside the BAR");
    return reinterpret_cast<volatile std::uint32_t*>(base_ + offset);
  }
  static constexpr std::uint32_t little(std::uint32_t v) noexcept {
    return std::endian::native == std::endian::little ? v : __builtin_bswap32(v);
  }
  std::byte* base_;
  std::size_t bytes_;
};
static_assert(RegisterIo<Mmio>);

/// Typed register access. Every verb states its MMIO cost; none has a hidden access.
template <RegisterIo Io>
class Bar {
 public:
  explicit Bar(Io io) noexcept : io_(io) {}
  [[nodiscard]] Io io() const noexcept { return io_; }

  /// Cost: 1 MMIO read. Mind kReadClear registers: this is the read that clears.
  template <Readable R>
    requires(!RegisterArray<R>)
  Value<R> read() const noexcept {
    return {io_.read32(R::offset())};
  }
  template <Readable R>
    requires RegisterArray<R>
  Value<R> read(Index i) const noexcept {
    return {io_.read32(R::offset(i))};
  }

  /// Writes the named fields; every other bit is written as zero. Cost: 1 MMIO write.
  template <Writable R>
    requires(!RegisterArray<R>)
  void write(Assign<R> fields) const noexcept {
    io_.write32(R::offset(), fields.bits);
  }
  template <Writable R>
    requires RegisterArray<R>
  void write(Index i, Assign<R> fields) const noexcept {
    io_.write32(R::offset(i), fields.bits);
  }
  /// Writes a whole snapshot back. Cost: 1 MMIO write.
  template <Writable R>
    requires(!RegisterArray<R>)
  void write(Value<R> value) const noexcept {
    io_.write32(R::offset(), value.bits);
  }
  template <Writable R>
    requires RegisterArray<R>
  void write(Index i, Value<R> value) const noexcept {
    io_.write32(R::offset(i), value.bits);
  }

  /// Replaces the named fields, keeps every other bit. Cost: 1 MMIO read, 1 MMIO write.
  template <Modifiable R>
    requires(!RegisterArray<R>)
  void modify(Assign<R> fields) const noexcept {
    write(fields.applied_to(read<R>()));
  }
  template <Modifiable R>
    requires RegisterArray<R>
  void modify(Index i, Assign<R> fields) const noexcept {
    write(i, fields.applied_to(read<R>(i)));
  }

  /// Clears the bits named (by writing ones). Cost: 1 MMIO write.
  template <Clearable R>
  void clear_w1c(Assign<R> bits) const noexcept {
    io_.write32(R::offset(), bits.bits);
  }

  /// A 64-bit counter in two registers: low first, the high half's read completes (and clears) the pair.
  /// Cost: 2 MMIO reads.
  template <Readable Low, Readable High>
  [[nodiscard]] std::uint64_t read_pair() const noexcept {
    const std::uint64_t low = io_.read32(Low::offset());
    return low | static_cast<std::uint64_t>(io_.read32(High::offset())) << 32;
  }
  /// A 64-bit value into two registers. Cost: 2 MMIO writes.
  template <Writable Low, Writable High>
  void write_pair(Index i, std::uint64_t value) const noexcept {
    io_.write32(Low::offset(i), static_cast<std::uint32_t>(value));
    io_.write32(High::offset(i), static_cast<std::uint32_t>(value >> 32));
  }

 private:
  Io io_;
};

/// A ring's tail register. The only thing a data path knows of the BAR.
template <Writable R, RegisterIo Io>
class Doorbell {
 public:
  Doorbell(Bar<Io> bar, Index i) noexcept : io_(bar.io()), offset_(R::offset(i)) {}

  /// Hands everything written so far to the device and tells it the new tail. Cost: 1 MMIO write.
  void ring(std::uint32_t tail) const noexcept {
    dma::release();
    io_.write32(offset_, tail);
  }

 private:
  Io io_;
  std::uint32_t offset_;
};

}  // namespace pollux::reg
