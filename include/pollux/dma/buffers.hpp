// SPDX-License-Identifier: BSD-3-Clause
// BufferStore: what the data path knows of a buffer pool: numbers, addresses by arithmetic, a stack of free ones.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

#include <pollux/core/address.hpp>
#include <pollux/core/assert.hpp>
#include <pollux/core/order.hpp>

namespace pollux {

/// Packet buffers of one size in one piece of DMA memory, handed out by number, last in first out. A buffer's address
/// and bus address follow from its number, so nothing about a buffer is ever read from memory.
/// Made and owned by a BufferPool. Threads: one; others get packets by message, never by a locked pool.
class BufferStore {
 public:
  BufferStore(const BufferStore&) = delete;
  BufferStore& operator=(const BufferStore&) = delete;

  /// Moves up to ids.size() free buffers to the caller; returns how many. Cost: a copy of 4 bytes per buffer.
  std::uint32_t take(std::span<std::uint32_t> ids) noexcept {
    const auto wanted = static_cast<std::uint32_t>(ids.size());
    const std::uint32_t n = wanted < free_count_ ? wanted : free_count_;
    free_count_ -= n;
    if (n > 0) __builtin_memcpy(ids.data(), free_ + free_count_, n * sizeof(std::uint32_t));
    return n;
  }
  /// As take, of exactly n buffers, without a copy. The numbers stand there until the next call that takes or gives.
  /// Pre: n <= free_count().
  const std::uint32_t* take_in_place(std::uint32_t n) noexcept {
    POLLUX_ASSERT(n <= free_count_, "more buffers than are free");
    free_count_ -= n;
    return free_ + free_count_;
  }
  /// Takes buffers back. Pre: each came from `take` of this store and is given once.
  void give(std::span<const std::uint32_t> ids) noexcept {
    POLLUX_ASSERT(free_count_ + ids.size() <= count_, "buffers given back twice, or to another pool");
    std::uint32_t* const to = free_ + free_count_;
    const std::size_t n = ids.size();
    std::size_t i = 0;
    for (; i + kCopied <= n; i += kCopied) __builtin_memcpy(to + i, &ids[i], kCopied * sizeof(std::uint32_t));
    for (; i < n; ++i) {
      one_by_one(i);  // and no call of memcpy, which costs more than one number
      to[i] = ids[i];
    }
    free_count_ += static_cast<std::uint32_t>(n);
  }

  [[nodiscard]] std::byte* data(std::uint32_t id) const noexcept { return base_ + std::size_t{id} * stride_; }
  [[nodiscard]] BusAddr bus(std::uint32_t id) const noexcept { return bus_ + std::uint64_t{id} * stride_; }
  [[nodiscard]] std::uint32_t buffer_bytes() const noexcept { return buffer_bytes_; }  ///< usable [bytes]
  [[nodiscard]] std::uint32_t stride() const noexcept { return stride_; }              ///< [bytes]
  [[nodiscard]] std::uint32_t count() const noexcept { return count_; }                ///< [buffers]
  [[nodiscard]] std::uint32_t free_count() const noexcept { return free_count_; }      ///< [buffers]

 protected:
  BufferStore(std::byte* base, BusAddr bus, std::uint32_t stride, std::uint32_t buffer_bytes, std::uint32_t count,
              std::uint32_t* free) noexcept
      : base_(base),
        bus_(bus),
        free_(free),
        stride_(stride),
        buffer_bytes_(buffer_bytes),
        count_(count),
        free_count_(count) {
    for (std::uint32_t i = 0; i < count; ++i) free_[i] = count - 1 - i;  // the first take gives the lowest ids
  }
  ~BufferStore() = default;

 private:
  static constexpr std::size_t kCopied = 8;  ///< numbers that are copied in one go

  std::byte* base_;
  BusAddr bus_;
  std::uint32_t* free_;  ///< free_[0 .. free_count_): the free buffers
  std::uint32_t stride_;
  std::uint32_t buffer_bytes_;
  std::uint32_t count_;
  std::uint32_t free_count_;
};

}  // namespace pollux
