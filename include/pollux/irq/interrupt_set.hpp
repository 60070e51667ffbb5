// SPDX-License-Identifier: BSD-3-Clause
// Eventfds of several vectors that somebody turns on, and off, together.
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include <pollux/irq/interrupt.hpp>

namespace pollux::detail {

/// n vectors of a Set, which lives as long as one of them does: its try_unmask() lets INTx come again, which whoever
/// signals has masked.
template <class Set>
class SetVectors {
 public:
  /// Errors: raises EMFILE and the like.
  explicit SetVectors(unsigned n) {
    for (unsigned i = 0; i < n; ++i) vectors_.push_back(std::make_unique<Vector>());
  }
  [[nodiscard]] std::vector<int> fds() const {
    std::vector<int> out;
    for (const auto& one : vectors_) out.push_back(one->fd());
    return out;
  }
  [[nodiscard]] std::vector<std::unique_ptr<Interrupt>> attached(const std::shared_ptr<Set>& set,
                                                                 bool masks_itself) && {
    std::vector<std::unique_ptr<Interrupt>> out;
    for (auto& one : vectors_) {
      one->set = set;
      one->masks_itself = masks_itself;
      out.push_back(std::move(one));
    }
    return out;
  }

 private:
  struct Vector final : EventInterrupt {
    [[nodiscard]] Result<Done> try_rearm() override {
      if (!masks_itself) return Done{};
      return set->try_unmask();
    }
    std::shared_ptr<Set> set;
    bool masks_itself = false;
  };
  std::vector<std::unique_ptr<Vector>> vectors_;
};

}  // namespace pollux::detail
