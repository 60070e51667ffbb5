// SPDX-License-Identifier: BSD-3-Clause
// TrappedBar: a model's registers as memory, for a driver that cannot be told to call functions.
#pragma once
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>

#include <pollux/core/error.hpp>
#include <pollux/core/mapping.hpp>

namespace bench {

/// Trapping (as made): the memory cannot be accessed; each access of the driver is a page fault. The fault tells
/// whether it reads or writes. The instruction is then let through for one step: a read finds what the model answers,
/// a write is given to the model afterwards. So every access reaches the strict model as it would reach hardware, with
/// side effects, in order, and none is missed or decoded by hand: the whole of a driver's bring-up runs like this.
/// Open: plain shared memory, so the driver's data path is the machine code and the stores that run on hardware; the
/// model learns of doorbells by `forward`. Nothing but the registers named there may be touched meanwhile.
///
/// x86-64 only. One at a time: SIGSEGV and SIGTRAP are its own while it traps. Registers are accessed as aligned words
/// of 32 bits. Threads: any may touch the registers, one after the other.
template <class Model>
class TrappedBar {
 public:
  explicit TrappedBar(Model& model)
      : model_(&model),
        memory_(pollux::Mapping::try_map(model.bar_bytes(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, "registers")
                    .value()) {
    self_ = this;
    trap();
  }
  TrappedBar(const TrappedBar&) = delete;
  TrappedBar& operator=(const TrappedBar&) = delete;
  ~TrappedBar() {
    open();
    self_ = nullptr;
  }
  [[nodiscard]] std::byte* data() const noexcept { return memory_.data(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return memory_.size(); }

  /// From here on every access traps.
  void trap() {
    if (trapping_) return;
    protect(PROT_NONE);
    struct sigaction action{};
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    action.sa_sigaction = on_fault;
    ::sigaction(SIGSEGV, &action, &before_[0]);
    action.sa_sigaction = on_step;
    ::sigaction(SIGTRAP, &action, &before_[1]);
    trapping_ = true;
  }
  /// From here on it is plain memory. The doorbells in it are what they were.
  void open() {
    if (!trapping_) return;
    ::sigaction(SIGSEGV, &before_[0], nullptr);
    ::sigaction(SIGTRAP, &before_[1], nullptr);
    protect(PROT_READ | PROT_WRITE);
    trapping_ = false;
  }
  /// Carries one doorbell from the driver's memory to the model's. Threads: the one that steps the model.
  void forward(std::uint32_t offset) noexcept {
    __atomic_store_n(word(model_->doorbell_memory(), offset), __atomic_load_n(word(data(), offset), __ATOMIC_ACQUIRE),
                     __ATOMIC_RELEASE);
  }
  /// How many accesses have trapped.
  [[nodiscard]] std::uint64_t accesses() const noexcept { return accesses_; }

 private:
  static constexpr long long kTrapFlag = 0x100, kFaultIsWrite = 2;

  static std::uint32_t* word(std::byte* base, std::uint64_t offset) noexcept {
    return reinterpret_cast<std::uint32_t*>(base + offset);
  }
  void protect(int how) noexcept { ::mprotect(data(), bytes(), how); }

  static void on_fault(int, siginfo_t* info, void* context) noexcept {
    auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    TrappedBar& bar = *self_;
    const auto offset = reinterpret_cast<std::uintptr_t>(info->si_addr) - reinterpret_cast<std::uintptr_t>(bar.data());
    if (offset >= bar.bytes()) {  // somebody else's fault, and their end
      ::signal(SIGSEGV, SIG_DFL);
      return;
    }
    while (bar.stepping_.test_and_set(std::memory_order_acquire)) {}
    bar.offset_ = offset;
    bar.writes_ = (registers[REG_ERR] & kFaultIsWrite) != 0;
    ++bar.accesses_;
    bar.protect(PROT_READ | PROT_WRITE);
    if (!bar.writes_) *word(bar.data(), offset) = bar.model_->read(offset);
    registers[REG_EFL] |= kTrapFlag;
  }
  static void on_step(int, siginfo_t*, void* context) noexcept {
    static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~kTrapFlag;
    TrappedBar& bar = *self_;
    const std::uint32_t value = *word(bar.data(), bar.offset_);
    bar.protect(PROT_NONE);
    if (bar.writes_) bar.model_->write(bar.offset_, value);
    bar.stepping_.clear(std::memory_order_release);
  }

  static inline TrappedBar* self_ = nullptr;
  Model* model_;
  pollux::Mapping memory_;
  struct sigaction before_[2]{};
  bool trapping_ = false;
  std::atomic_flag stepping_{};  ///< an access is being let through
  std::uint64_t offset_ = 0, accesses_ = 0;
  bool writes_ = false;
};

}  // namespace bench
