// SPDX-License-Identifier: BSD-3-Clause
// ClientMemory: the memory that a vfio-user client lets a device reach: mapped here where that is safe, by message
// else.
#pragma once
#include <fcntl.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <pollux/backend/vfio_user_channel.hpp>
#include <pollux/core/clock.hpp>
#include <pollux/core/mapping.hpp>
#include <pollux/core/memory_calls.hpp>
#include <pollux/sim/interrupts.hpp>
#include <pollux/sim/iommu.hpp>

namespace pollux::sim {

/// Which files of a client are mapped. All other memory is read and written by message.
enum class ClientFiles : std::uint8_t {
  kSealed,  ///< those that nobody can shorten
  kAny,     ///< all: their owner can end this process by shortening one; for clients of one's own
  kNone,
};

/// A file is mapped when its owner cannot shorten it any more (a memfd with F_SEAL_SHRINK, as QEMU's
/// memory-backend-memfd makes it): otherwise touching what was cut off is SIGBUS, the end of this process. Other files,
/// and memory without one, are read and written by asking the client. A step of the model never waits for an answer:
/// see RemoteMemory. An interrupt must not overtake what was written before it: from a write on all of them wait, until
/// whoever made this finds everything confirmed and lets them go.
/// Threads: one, the server's.
class ClientMemory final : public RemoteMemory {
 public:
  struct Counts {
    std::uint64_t mapped = 0, by_message = 0;  ///< mappings there are now
    std::uint64_t reads = 0, writes = 0;       ///< messages so far
  };

  ClientMemory(Iommu& iommu, InterruptLines& interrupts) : iommu_(&iommu), interrupts_(&interrupts) {}
  ~ClientMemory() override { end(); }

  /// A client is there; the channel stays until `end`. max_transfer: what it takes in one message [bytes].
  void begin(vfio_user::Channel& channel, std::uint32_t max_transfer) noexcept {
    channel_ = &channel;
    max_transfer_ = std::min(max_transfer, vfio_user::kDefaultMaxTransfer);
  }
  /// The client is gone: nothing is mapped any more.
  void end() noexcept {
    if (auto all = iommu_->erase_within(0, ~std::uint64_t{0}); all) drop(*all);
    channel_ = nullptr;
    fetches_.clear();
    asked_.clear();
    unconfirmed_ = unconfirmed_bytes_ = 0;
  }

  /// Returns an errno; 0: done.
  [[nodiscard]] int map(const vfio_user::DmaMap& wanted, const UniqueFd& file, ClientFiles mapped);
  /// Takes out all that lies within; there may be nothing. Returns an errno; 0: done.
  [[nodiscard]] int unmap(const vfio_user::DmaUnmap& wanted);

  /// Takes in a reply to DMA_READ or DMA_WRITE. False: it answers no message of ours, or not as it should.
  [[nodiscard]] bool take_reply(const vfio_user::Message& reply);
  /// Something was written that the client has not confirmed.
  [[nodiscard]] bool unconfirmed() const noexcept { return unconfirmed_ != 0; }
  /// When the oldest message was sent that has no answer yet, if there is one.
  [[nodiscard]] std::optional<Nanos> waits_since() const noexcept {
    std::optional<Nanos> oldest;
    for (const auto& [id, asked] : asked_) oldest = oldest ? std::min(*oldest, asked.sent) : asked.sent;
    return oldest;
  }
  [[nodiscard]] const Counts& counts() const noexcept { return counts_; }

  // RemoteMemory
  Fetched fetch(std::uint64_t address, std::size_t n, std::size_t ahead) noexcept override;
  void release(std::uint64_t address, std::size_t n) noexcept override;
  void forget() noexcept override { fetches_.clear(); }
  bool store(std::uint64_t address, std::span<const std::byte> bytes) noexcept override;

 private:
  static constexpr std::size_t kMostFetches = 64;
  static constexpr std::size_t kMostUnconfirmed = 256 << 10;  ///< beyond it the device waits [bytes]
  static constexpr std::size_t kMostMappings = 65535;

  struct Fetch {
    std::uint64_t serial = 0, address = 0;
    std::size_t missing = 0;  ///< [bytes]
    bool failed = false;
    std::vector<std::byte> bytes;
    [[nodiscard]] bool holds(std::uint64_t at, std::size_t n) const noexcept {
      return at >= address && at - address <= bytes.size() && n <= bytes.size() - (at - address);
    }
  };
  /// A message without an answer.
  struct Asked {
    std::uint64_t fetch = 0;  ///< its serial; 0: a write
    std::uint64_t address = 0;
    std::size_t at = 0, bytes = 0;  ///< where in the fetch; how many
    Nanos sent{};
  };
  /// Pages of a file; what the client named begins `at` bytes into them.
  struct Window {
    Mapping pages;
    std::size_t at = 0;
  };
  [[nodiscard]] static Result<Window> try_open_window(const vfio_user::DmaMap& wanted, int file);
  void drop(const std::vector<Iommu::Mapped>& gone) noexcept;
  bool ask(vfio_user::Command command, Asked what, std::span<const std::byte> data) noexcept;

  Iommu* iommu_;
  InterruptLines* interrupts_;
  vfio_user::Channel* channel_ = nullptr;
  std::size_t max_transfer_ = 0;
  std::map<std::uint64_t, Mapping> windows_;  ///< by bus address
  std::vector<Fetch> fetches_;
  std::map<std::uint16_t, Asked> asked_;
  std::uint64_t last_serial_ = 0;
  std::uint16_t last_id_ = 0;
  std::size_t unconfirmed_ = 0, unconfirmed_bytes_ = 0;
  Counts counts_;
};

// ---- Mappings -----------------------------------------------------------------------------------------------------

/// Errors: EINVAL (the file is too short, or no regular one), and those of mmap.
inline Result<ClientMemory::Window> ClientMemory::try_open_window(const vfio_user::DmaMap& wanted, int file) {
  const auto failed = [](int code) {
    return Failure{.code = code, .operation = "map", .object = "a client's memory", .where = {}, .remedy = {}};
  };
  struct stat about{};
  if (sys::fstat(file, &about) != 0) return failed(errno);
  const auto bytes = static_cast<std::uint64_t>(about.st_size);
  if (!S_ISREG(about.st_mode) || wanted.offset > bytes || wanted.size > bytes - wanted.offset) return failed(EINVAL);
  // On hugepages a mapping begins and ends with one; st_blksize is their size.
  const auto block = static_cast<std::uint64_t>(about.st_blksize);
  const std::uint64_t unit =
      std::has_single_bit(block) && block > vfio_user::kPageBytes ? block : vfio_user::kPageBytes;
  const std::uint64_t first = wanted.offset / unit * unit, at = wanted.offset - first;
  const bool reads = (wanted.flags & vfio_user::DmaMap::kRead) != 0;
  const bool writes = (wanted.flags & vfio_user::DmaMap::kWrite) != 0;
  auto pages =
      Mapping::try_map((at + wanted.size + unit - 1) / unit * unit, (reads ? PROT_READ : 0) | (writes ? PROT_WRITE : 0),
                       MAP_SHARED, file, static_cast<off_t>(first), "a client's memory");
  if (!pages) return pages.failure();
  (void)sys::madvise(pages.value().data(), pages.value().size(), MADV_DONTDUMP);
  return Window{std::move(pages).value(), static_cast<std::size_t>(at)};
}

inline int ClientMemory::map(const vfio_user::DmaMap& wanted, const UniqueFd& file, ClientFiles mapped) {
  using vfio_user::DmaMap;
  constexpr std::uint32_t kKnown = 0xF;  // bits 2 and 3 of newer clients: how the file may be used
  const std::uint64_t unaligned = (wanted.address | wanted.size | wanted.offset) % vfio_user::kPageBytes;
  const auto access = static_cast<DmaAccess>(wanted.flags & (DmaMap::kRead | DmaMap::kWrite));
  if (wanted.argsz < sizeof wanted || (wanted.flags & ~kKnown) != 0 || access == DmaAccess::kNone || unaligned != 0 ||
      wanted.size == 0 || wanted.address + (wanted.size - 1) < wanted.address ||
      wanted.offset + wanted.size < wanted.offset) {
    return EINVAL;
  }
  if (iommu_->mappings() >= kMostMappings) return ENOSPC;
  if (const Iommu::Mapped same = iommu_->find(wanted.address, wanted.size); same.bytes != 0) {
    if (same.bus != wanted.address || same.bytes != wanted.size || same.access != access) return EEXIST;
    drop(iommu_->erase_within(wanted.address, wanted.address + (wanted.size - 1)).value());  // told once more
  }
  Iommu::Mapped made{.bus = wanted.address, .bytes = wanted.size, .memory = nullptr, .access = access};
  Window window;
  const int seals = file ? sys::seals(file.get()) : -1;  // the first question: it asks nobody but this kernel
  const bool sealed = seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
  if (file && (mapped == ClientFiles::kAny || (mapped == ClientFiles::kSealed && sealed))) {
    auto opened = try_open_window(wanted, file.get());
    if (!opened) return opened.failure().code;
    window = std::move(opened).value();
    made.memory = window.pages.data() + window.at;
  }
  if (!iommu_->insert(made)) return EEXIST;
  if (made.memory != nullptr) {
    windows_.emplace(wanted.address, std::move(window.pages));
    ++counts_.mapped;
  } else {
    ++counts_.by_message;
    iommu_->set_remote(this);
  }
  return 0;
}

inline int ClientMemory::unmap(const vfio_user::DmaUnmap& wanted) {
  using vfio_user::DmaUnmap;
  if (wanted.argsz < sizeof wanted || (wanted.flags & ~(DmaUnmap::kDirtyPages | DmaUnmap::kAll)) != 0) return EINVAL;
  if ((wanted.flags & DmaUnmap::kDirtyPages) != 0) return ENOTSUP;
  const bool all = (wanted.flags & DmaUnmap::kAll) != 0;
  if (all ? wanted.address != 0 || wanted.size != 0 : wanted.size == 0) return EINVAL;
  const std::uint64_t last = wanted.address + (wanted.size - 1);  // of all: the end of all addresses
  if (last < wanted.address) return EINVAL;
  const auto gone = iommu_->erase_within(wanted.address, last);
  if (!gone) return EINVAL;
  drop(*gone);
  return 0;
}

/// What was fetched from there, or is under way, must not be used: it may be told anew.
inline void ClientMemory::drop(const std::vector<Iommu::Mapped>& gone) noexcept {
  for (const Iommu::Mapped& m : gone) {
    if (m.memory == nullptr) {
      --counts_.by_message;
    } else {
      windows_.erase(m.bus);
      --counts_.mapped;
    }
  }
  if (!gone.empty()) fetches_.clear();
  if (counts_.by_message == 0) iommu_->set_remote(nullptr);
}

// ---- By message ---------------------------------------------------------------------------------------------------

/// Sends it; false: the client is gone.
inline bool ClientMemory::ask(vfio_user::Command command, Asked what, std::span<const std::byte> data) noexcept {
  if (channel_ == nullptr) return false;
  do { ++last_id_; } while (asked_.contains(last_id_));
  const vfio_user::Header header{.id = last_id_, .command = static_cast<std::uint16_t>(command)};
  const vfio_user::DmaTransfer transfer{.address = what.address, .count = what.bytes};
  what.sent = SteadyClock{}.now();
  asked_.emplace(last_id_, what);
  return channel_->send(header, {vfio_user::bytes_of(transfer), data});
}

inline RemoteMemory::Fetched ClientMemory::fetch(std::uint64_t address, std::size_t n, std::size_t ahead) noexcept {
  for (const Fetch& f : fetches_) {
    if (!f.holds(address, n)) continue;
    if (f.failed) return {State::kFailed};
    if (f.missing != 0) return {State::kComing};
    return {State::kHere, &f.bytes[address - f.address]};
  }
  if (unconfirmed_bytes_ > kMostUnconfirmed || asked_.size() > 4 * kMostFetches) return {State::kComing};
  std::erase_if(fetches_, [&](const Fetch& f) { return f.holds(address, 1) && f.missing == 0; });  // holds too little
  if (fetches_.size() >= kMostFetches) {
    const auto done = std::find_if(fetches_.begin(), fetches_.end(), [](const Fetch& f) { return f.missing == 0; });
    if (done == fetches_.end()) return {State::kComing};
    fetches_.erase(done);
  }
  fetches_.push_back(
      {.serial = ++last_serial_, .address = address, .missing = ahead, .bytes = std::vector<std::byte>(ahead)});
  for (std::size_t at = 0; at < ahead; at += max_transfer_) {
    const std::size_t part = std::min(max_transfer_, ahead - at);
    ++counts_.reads;
    if (!ask(vfio_user::Command::kDmaRead, {.fetch = last_serial_, .address = address + at, .at = at, .bytes = part},
             {})) {
      fetches_.back().failed = true;
      return {State::kFailed};
    }
  }
  return {State::kComing};
}
/// A fetch goes with the last of its bytes: those before it are used first.
inline void ClientMemory::release(std::uint64_t address, std::size_t n) noexcept {
  std::erase_if(fetches_, [&](const Fetch& f) {
    return f.missing == 0 && f.holds(address, n) && address + n == f.address + f.bytes.size();
  });
}

inline bool ClientMemory::store(std::uint64_t address, std::span<const std::byte> bytes) noexcept {
  interrupts_->hold(~std::uint64_t{0});
  for (std::size_t at = 0; at < bytes.size(); at += max_transfer_) {
    const std::size_t part = std::min(max_transfer_, bytes.size() - at);
    ++counts_.writes;
    ++unconfirmed_;
    unconfirmed_bytes_ += part;
    if (!ask(vfio_user::Command::kDmaWrite, {.address = address + at, .bytes = part}, bytes.subspan(at, part))) {
      return false;
    }
  }
  return true;
}

inline bool ClientMemory::take_reply(const vfio_user::Message& reply) {
  using namespace vfio_user;
  const auto found = asked_.find(reply.header.id);
  if (found == asked_.end()) return false;
  const Asked asked = found->second;
  if (!reply.header.is(asked.fetch == 0 ? Command::kDmaWrite : Command::kDmaRead)) return false;
  asked_.erase(found);
  const bool refused = (reply.header.flags & Header::kError) != 0;
  if (asked.fetch == 0) {
    --unconfirmed_;
    unconfirmed_bytes_ -= asked.bytes;
    return true;
  }
  const auto transfer = load<DmaTransfer>(reply.body);
  if (!refused && (reply.body.size() != sizeof transfer + asked.bytes || transfer.address != asked.address ||
                   transfer.count != asked.bytes)) {
    return false;
  }
  const auto fetch =
      std::find_if(fetches_.begin(), fetches_.end(), [&](const Fetch& f) { return f.serial == asked.fetch; });
  if (fetch == fetches_.end()) return true;  // forgotten meanwhile
  if (refused) {
    fetch->failed = true;
  } else {
    std::memcpy(&fetch->bytes[asked.at], &reply.body[sizeof transfer], asked.bytes);
  }
  fetch->missing -= asked.bytes;
  return true;
}

}  // namespace pollux::sim
