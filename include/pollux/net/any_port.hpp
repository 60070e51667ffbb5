// SPDX-License-Identifier: BSD-3-Clause
// AnyPort: a port chosen at run time, at one indirect call per burst.
#pragma once
#include <memory>
#include <string>
#include <utility>

#include <pollux/net/port.hpp>
#include <pollux/net/port_waiter.hpp>

namespace pollux {

/// Owns a port of any type, together with whatever that port needs to live (its device, domain and pool).
/// Satisfies PollModePort itself.
class AnyPort {
 public:
  /// `Holder` owns the port and all it stands on; holder->port() returns the port, holder->notes() what the user
  /// should know about how it was set up (may be empty); holder->open_waiter(), if it has that, a PortWaiter.
  template <class Holder>
  explicit AnyPort(std::unique_ptr<Holder> holder) : self_(std::make_unique<Model<Holder>>(std::move(holder))) {}

  std::uint32_t rx_burst(PacketBurst& burst) noexcept { return self_->rx_burst(burst); }
  std::uint32_t tx_burst(PacketBurst& burst) noexcept { return self_->tx_burst(burst); }
  void commit() noexcept { self_->commit(); }
  std::uint32_t reclaim() noexcept { return self_->reclaim(); }
  [[nodiscard]] LinkState link() { return self_->link(); }
  [[nodiscard]] PortStats stats() { return self_->stats(); }
  [[nodiscard]] MacAddress mac() const { return self_->mac(); }
  [[nodiscard]] std::string name() const { return self_->name(); }
  [[nodiscard]] BufferStore& pool() const { return self_->pool(); }
  [[nodiscard]] std::string notes() const { return self_->notes(); }
  /// Why the port moves no frames, as far as it can be seen: what the driver's try_check says; success, where the port
  /// has none. Errors, cost, pre: the driver's.
  [[nodiscard]] Result<Done> try_check() { return self_->try_check(); }
  /// Something for a wait policy to wait for: the port's interrupts, on until it is destroyed. Pre: no other one of
  /// this port is left; the port outlives it. Errors: raises ENOTSUP (a port without interrupts), and the backend's.
  [[nodiscard]] std::unique_ptr<PortWaiter> open_waiter() { return self_->open_waiter(); }

 private:
  struct Concept {
    Concept() = default;
    Concept(const Concept&) = delete;
    Concept& operator=(const Concept&) = delete;
    virtual ~Concept() = default;
    virtual std::uint32_t rx_burst(PacketBurst& burst) noexcept = 0;
    virtual std::uint32_t tx_burst(PacketBurst& burst) noexcept = 0;
    virtual void commit() noexcept = 0;
    virtual std::uint32_t reclaim() noexcept = 0;
    virtual LinkState link() = 0;
    virtual PortStats stats() = 0;
    [[nodiscard]] virtual MacAddress mac() const = 0;
    [[nodiscard]] virtual std::string name() const = 0;
    [[nodiscard]] virtual BufferStore& pool() const = 0;
    [[nodiscard]] virtual std::string notes() const = 0;
    [[nodiscard]] virtual Result<Done> try_check() = 0;
    [[nodiscard]] virtual std::unique_ptr<PortWaiter> open_waiter() = 0;
  };
  template <class Holder>
  struct Model final : Concept {
    explicit Model(std::unique_ptr<Holder> h) : holder(std::move(h)) {}
    std::uint32_t rx_burst(PacketBurst& burst) noexcept override { return holder->port().rx_burst(burst); }
    std::uint32_t tx_burst(PacketBurst& burst) noexcept override { return holder->port().tx_burst(burst); }
    void commit() noexcept override { holder->port().commit(); }
    std::uint32_t reclaim() noexcept override { return holder->port().reclaim(); }
    LinkState link() override { return holder->port().link(); }
    PortStats stats() override { return holder->port().stats(); }
    [[nodiscard]] MacAddress mac() const override { return holder->port().mac(); }
    [[nodiscard]] std::string name() const override { return holder->port().name(); }
    [[nodiscard]] BufferStore& pool() const override { return holder->port().pool(); }
    [[nodiscard]] std::string notes() const override { return holder->notes(); }
    [[nodiscard]] Result<Done> try_check() override {
      if constexpr (requires { holder->port().try_check(); }) {
        return holder->port().try_check();
      } else {
        return Done{};
      }
    }
    [[nodiscard]] std::unique_ptr<PortWaiter> open_waiter() override {
      if constexpr (requires { holder->open_waiter(); }) {
        return holder->open_waiter();
      } else {
        raise({.code = ENOTSUP,
               .operation = "wait for frames of",
               .object = std::string(name()),
               .where = "this kind of port has no interrupts",
               .remedy = "poll it; pci: and sim: ports can be waited for"});
      }
    }
    std::unique_ptr<Holder> holder;
  };
  std::unique_ptr<Concept> self_;
};
static_assert(PollModePort<AnyPort>);

}  // namespace pollux
