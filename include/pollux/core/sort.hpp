// SPDX-License-Identifier: BSD-3-Clause
// Sorting for setup code: directory entries, ranges of addresses, pages.
#pragma once
#include <cstddef>
#include <utility>

namespace pollux {

/// Sorts items[0 .. size), not stably. Shell's sort over the gaps of Ciura, some n^1.3 comparisons. By hand, because
/// <algorithm> and each instance of its sort cost a program that includes a driver more compile time than the driver's
/// own receive path does.
template <class Items, class Before>
constexpr void sort(Items& items, Before before) {
  constexpr std::size_t kGaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
  const auto pass = [&](std::size_t gap) {
    for (std::size_t i = gap; i < items.size(); ++i) {
      for (std::size_t at = i; at >= gap && before(items[at], items[at - gap]); at -= gap) {
        std::swap(items[at], items[at - gap]);
      }
    }
  };
  std::size_t gap = kGaps[0];
  while (gap < items.size() / 9) gap = gap * 9 / 4;
  for (; gap > kGaps[0]; gap = gap * 4 / 9) pass(gap);
  for (const std::size_t known : kGaps) pass(known);
}

}  // namespace pollux
