// SPDX-License-Identifier: BSD-3-Clause
// Lanes: several descriptors or packets of 16 bytes in one vector register.
#pragma once
#include <cstddef>
#include <cstdint>

#include <pollux/core/order.hpp>

namespace pollux {

/// How many descriptors a ring looks at or writes in one go is chosen by the target of the translation unit: ring code
/// is compiled into the caller's loop, so it is for the machine that the loop is compiled for (-march=native,
/// -march=x86-64-v3, -march=x86-64-v4), and is inlined there. A choice at run time would cost a call through a pointer
/// in every burst. Compile a program for one target throughout: of two, the linker keeps one copy of each inline
/// function, be it for the wrong CPU. One for unknown machines is built once for each kind and chooses which to start.
/// Under ThreadSanitizer it is always one by one: that tool does not see how a 16-byte load is ordered.
struct ScalarLanes {
  static constexpr std::uint32_t kCount = 1;
};

#if (defined(__AVX512F__) || defined(__AVX2__)) && !defined(POLLUX_THREAD_SANITIZER)

namespace detail {
/// The compilers' vector types of N pairs of 64-bit words (GCC forms none of a size that depends on an argument).
template <std::uint32_t N>
struct VectorTypes;
template <>
struct VectorTypes<2> {
  typedef std::uint64_t Words __attribute__((vector_size(32)));
  typedef std::uint32_t Halves __attribute__((vector_size(32)));
  typedef int Ints __attribute__((vector_size(32)));
  typedef long long Longs __attribute__((vector_size(32)));
};
template <>
struct VectorTypes<4> {
  typedef std::uint64_t Words __attribute__((vector_size(64)));
  typedef std::uint32_t Halves __attribute__((vector_size(64)));
  typedef int Ints __attribute__((vector_size(64)));
  typedef long long Longs __attribute__((vector_size(64)));
};
}  // namespace detail

/// `N` pairs of 64-bit words: word 0 of pair i is lane 2i. Written with the compilers' vector types, because
/// <immintrin.h> alone takes longer to compile than everything a driver includes. No call reads or writes memory beyond
/// what its comment says, and any alignment will do.
template <std::uint32_t N>
struct VectorLanes {
  static constexpr std::uint32_t kCount = N;
  using Words = typename detail::VectorTypes<N>::Words;

  static Words pairs(std::uint64_t word0, std::uint64_t word1) noexcept { return repeat(Pair{word0, word1}); }

  /// N descriptors that a device may write, each by one load of 16 bytes, the last first: where one is seen done, those
  /// before it are seen as they are afterwards. Pre: aligned to 16 bytes.
  static Words load_last_first(const void* from) noexcept {
    const Pair* const at = static_cast<const Pair*>(from);
    if constexpr (N == 4) {
      const Pair d = dma::load_two_once(at + 3), c = dma::load_two_once(at + 2), b = dma::load_two_once(at + 1),
                 a = dma::load_two_once(at);
      return join(join(a, b), join(c, d));
    } else {
      const Pair b = dma::load_two_once(at + 1), a = dma::load_two_once(at);
      return join(a, b);
    }
  }
  static Words load(const void* from) noexcept {
    Words out;
    __builtin_memcpy(&out, from, sizeof out);
    return out;
  }
  static void store(void* to, Words words) noexcept { __builtin_memcpy(to, &words, sizeof words); }

  /// Each of N numbers in the low half of both words of its pair; the high halves may be anything.
  static Words spread(const std::uint32_t* numbers) noexcept {
    if constexpr (N == 4) {
      Pair four;
      __builtin_memcpy(&four, numbers, sizeof four);
      const auto all = reinterpret_cast<Halves>(repeat(four));
      return reinterpret_cast<Words>(__builtin_shufflevector(all, all, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3));
    } else {
      const auto all = repeat(Pair{numbers[0], numbers[1]});
      return __builtin_shufflevector(all, all, 0, 0, 1, 1);
    }
  }
  /// The halves of word 1 of each pair: the low one in word 0, the high one in word 1. (Repeated in the high halves.)
  static Words split_word1(Words words) noexcept {
    const auto halves = reinterpret_cast<Halves>(words);
    if constexpr (N == 4) {
      return reinterpret_cast<Words>(
          __builtin_shufflevector(halves, halves, 2, 2, 3, 3, 6, 6, 7, 7, 10, 10, 11, 11, 14, 14, 15, 15));
    } else {
      return reinterpret_cast<Words>(__builtin_shufflevector(halves, halves, 2, 2, 3, 3, 6, 6, 7, 7));
    }
  }
  /// The low half of word 1 of each pair, as N numbers.
  static void store_low_halves(std::uint32_t* to, Words words) noexcept {
    Halves halves;
    __builtin_memcpy(&halves, &words, sizeof halves);
    if constexpr (N == 4) {
      const auto low = __builtin_shufflevector(halves, halves, 2, 6, 10, 14);
      __builtin_memcpy(to, &low, sizeof low);
    } else {
      to[0] = halves[2], to[1] = halves[6];
    }
  }
  /// Products of the low halves.
  static Words multiply(Words a, Words b) noexcept {
#if defined(__clang__)
    return (a & 0xFFFF'FFFF) * (b & 0xFFFF'FFFF);  // one instruction, which GCC does not find
#else
    if constexpr (N == 4) {
      return reinterpret_cast<Words>(__builtin_ia32_pmuludq512_mask(
          reinterpret_cast<Ints>(a), reinterpret_cast<Ints>(b), reinterpret_cast<Longs>(Words{}), 0xFF));
    } else {
      return reinterpret_cast<Words>(__builtin_ia32_pmuludq256(reinterpret_cast<Ints>(a), reinterpret_cast<Ints>(b)));
    }
#endif
  }
  static bool all_zero(Words words) noexcept {
    if constexpr (N == 4) {
      return __builtin_ia32_cmpq512_mask(reinterpret_cast<Longs>(words), Longs{}, 4 /* not equal */, 0xFF) == 0;
    } else {
      return __builtin_ia32_ptestz256(reinterpret_cast<Longs>(words), reinterpret_cast<Longs>(words)) != 0;
    }
  }
  /// Whether every word is below its limit. Pre: no limit is 0.
  static bool all_below(Words words, Words limits) noexcept {
    if constexpr (N == 4) {
      return __builtin_ia32_ucmpq512_mask(reinterpret_cast<Longs>(words), reinterpret_cast<Longs>(limits),
                                          5 /* not less */, 0xFF) == 0;
    } else {  // signed comparison is all there is
      const Words sign = repeat(Pair{std::uint64_t{1} << 63, std::uint64_t{1} << 63});
      const auto above = reinterpret_cast<Longs>(words ^ sign) > reinterpret_cast<Longs>((limits - 1) ^ sign);
      return all_zero(reinterpret_cast<Words>(above));
    }
  }
  /// Each word with its halves exchanged.
  static Words exchange_halves(Words words) noexcept {
    const auto halves = reinterpret_cast<Halves>(words);
    if constexpr (N == 4) {
      return reinterpret_cast<Words>(
          __builtin_shufflevector(halves, halves, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14));
    } else {
      return reinterpret_cast<Words>(__builtin_shufflevector(halves, halves, 1, 0, 3, 2, 5, 4, 7, 6));
    }
  }

 private:
  using Ints = typename detail::VectorTypes<N>::Ints;
  using Halves = typename detail::VectorTypes<N>::Halves;
  using Longs = typename detail::VectorTypes<N>::Longs;
  using Pair = dma::TwoWords;

  using Two = typename detail::VectorTypes<2>::Words;

  /// One vector of two. (For a shuffle, GCC 12 moves each of them once more.)
#if defined(__clang__)
  static Two join(Pair low, Pair high) noexcept { return __builtin_shufflevector(low, high, 0, 1, 2, 3); }
  static Words join(Two low, Two high) noexcept
    requires(N == 4)
  {
    return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
  }
#else
  static Two join(Pair low, Pair high) noexcept {
    typedef int Four __attribute__((vector_size(16)));
    typedef long long TwoLongs __attribute__((vector_size(16)));
    const auto wide = __builtin_ia32_si256_si(reinterpret_cast<Four>(low));
    return reinterpret_cast<Two>(__builtin_ia32_insert128i256(
        reinterpret_cast<typename detail::VectorTypes<2>::Longs>(wide), reinterpret_cast<TwoLongs>(high), 1));
  }
  static Words join(Two low, Two high) noexcept
    requires(N == 4)
  {
    using Half = detail::VectorTypes<N / 2>;
    const auto wide = __builtin_ia32_si512_256si(reinterpret_cast<typename Half::Ints>(low));
    return reinterpret_cast<Words>(__builtin_ia32_inserti64x4_mask(
        reinterpret_cast<Longs>(wide), reinterpret_cast<typename Half::Longs>(high), 1, Longs{}, 0xFF));
  }
#endif

  /// The pair N times. (GCC 12 makes a detour through memory for a shuffle to a longer vector.)
  static Words repeat(Pair pair) noexcept {
#if defined(__clang__)
    if constexpr (N == 4) return __builtin_shufflevector(pair, pair, 0, 1, 0, 1, 0, 1, 0, 1);
    if constexpr (N == 2) return __builtin_shufflevector(pair, pair, 0, 1, 0, 1);
#else
    if constexpr (N == 4) {
      typedef int Four __attribute__((vector_size(16)));
      return reinterpret_cast<Words>(
          __builtin_ia32_broadcasti32x4_512(reinterpret_cast<Four>(pair), Ints{}, static_cast<unsigned short>(0xFFFF)));
    } else {
      typedef long long Two __attribute__((vector_size(16)));
      return reinterpret_cast<Words>(__builtin_ia32_vbroadcastsi256(reinterpret_cast<Two>(pair)));
    }
#endif
  }
};
#endif

#if defined(POLLUX_THREAD_SANITIZER)
using TargetLanes = ScalarLanes;
#elif defined(__AVX512F__)
using TargetLanes = VectorLanes<4>;
#elif defined(__AVX2__)
using TargetLanes = VectorLanes<2>;
#else
using TargetLanes = ScalarLanes;
#endif

}  // namespace pollux
