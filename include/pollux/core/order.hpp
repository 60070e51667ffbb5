// SPDX-License-Identifier: BSD-3-Clause
// The only file with memory barriers. Each is named by the hand-off it stands at, not by the instruction it becomes.
//
// It lives in core, not in dma/, because Doorbell (reg/) rings with a release and reg/ does not see dma/.
#pragma once
#include <cstdint>
#include <type_traits>

namespace pollux::dma {

/// The CPU wrote memory (descriptors, frames) that a device will read once it is told: everything written before is
/// visible to the device before any MMIO write that follows.
/// x86: stores are not reordered with later uncached stores, so only the compiler is held. aarch64: DMB OSHST orders
/// normal stores before the device store that follows.
inline void release() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  asm volatile("" ::: "memory");
#elif defined(__aarch64__)
  asm volatile("dmb oshst" ::: "memory");
#else
  __sync_synchronize();
#endif
}

/// A device wrote memory, and the CPU has just seen the flag (DD) that says so: nothing the device wrote before the
/// flag is read earlier than the flag.
/// x86: loads are not reordered with loads, so only the compiler is held.
inline void acquire() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  asm volatile("" ::: "memory");
#elif defined(__aarch64__)
  asm volatile("dmb oshld" ::: "memory");
#else
  __sync_synchronize();
#endif
}

#if defined(__SANITIZE_THREAD__)
#define POLLUX_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define POLLUX_THREAD_SANITIZER 1
#endif
#endif

/// One load of memory that a device may write at any time: exactly once, never torn, never cached by the compiler.
/// Under ThreadSanitizer, where the device is a model on another thread, it is an acquire operation in that tool's
/// eyes.
template <class T>
inline T load_once(const T& from) noexcept {
  static_assert(__is_trivially_copyable(T));
  static_assert(sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8, "one load instruction");
  using Word = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                  std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>>;
  typedef Word __attribute__((may_alias)) Any;  // `from` may be of any type; the compiler must not reorder by type
  const volatile Any* at = reinterpret_cast<const volatile Any*>(&from);  // auto would lose the attribute
#if defined(POLLUX_THREAD_SANITIZER)
  return __builtin_bit_cast(T, Word{__atomic_load_n(at, __ATOMIC_ACQUIRE)});
#else
  return __builtin_bit_cast(T, Word{*at});
#endif
}

/// One load of memory that the device is done with: its flag was seen, and acquire() called. The compiler may make it a
/// part of the instruction that uses the value, which is to be used once: a device that breaks its word could change
/// it.
template <class T>
inline T load_settled(const T& from) noexcept {
#if defined(POLLUX_THREAD_SANITIZER)
  return load_once(from);
#else
  return from;
#endif
}

/// 16 bytes as two words.
typedef std::uint64_t TwoWords __attribute__((vector_size(16), may_alias));

/// One load of 16 bytes that a device may write at any time. Pre: aligned to 16; such a load is one access on every x86
/// CPU with AVX [intel sdm 9.1.1, amd apm 7.3.2]; elsewhere it may be torn between the words.
inline TwoWords load_two_once(const void* from) noexcept { return *static_cast<const volatile TwoWords*>(from); }

/// What was just stored here is a store of its own: the compiler does not gather it with its neighbours in a register.
template <class T>
inline void store_apart(T& stored) noexcept {
  asm("" : "+m"(stored));
}

/// Two words to 16 bytes of memory, by two stores, the second word first (mostly what it is made of is not needed then
/// any more): the compiler would go through a vector register to save one of them.
inline void store_two(void* to, std::uint64_t word0, std::uint64_t word1) noexcept {
  typedef std::uint64_t __attribute__((may_alias)) Any;
  Any* const at = static_cast<Any*>(to);
  at[1] = word1;
  store_apart(at[1]);
  at[0] = word0;
}

/// One store to a device register, after everything released before it.
inline void store_register(volatile unsigned int* to, unsigned int value) noexcept {
#if defined(POLLUX_THREAD_SANITIZER)
  __atomic_store_n(to, value, __ATOMIC_RELEASE);
#else
  *to = value;
#endif
}

}  // namespace pollux::dma

namespace pollux {

/// In a loop over a handful of things, of the pointer or counter that it steps: the compiler takes it for unknown, and
/// does not turn the loop into vector code for thousands, with all its tests around.
template <class T>
inline void one_by_one(T& at) noexcept {
  asm("" : "+r"(at));
}

}  // namespace pollux

/// Hand-offs with the kernel, through a status word in memory that both sides map (packet rings).
namespace pollux::shared {

/// The other side's flag, and with it everything that it wrote before.
inline std::uint32_t load_acquire(const std::uint32_t& from) noexcept {
  return __atomic_load_n(&from, __ATOMIC_ACQUIRE);
}
/// Our flag, after everything that we read and wrote before.
inline void store_release(std::uint32_t& to, std::uint32_t value) noexcept {
  __atomic_store_n(&to, value, __ATOMIC_RELEASE);
}

}  // namespace pollux::shared
