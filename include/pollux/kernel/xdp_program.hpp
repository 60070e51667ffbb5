// SPDX-License-Identifier: BSD-3-Clause
// XdpProgram: the program on an interface that gives frames of a queue to its AF_XDP socket, shared between sockets.
//
// Optional, as af_xdp.hpp is.
#pragma once
#include <linux/if_link.h>

#include <cstddef>
#include <cstring>
#include <iterator>
#include <string>
#include <utility>

#include <pollux/kernel/interface.hpp>
#include <pollux/kernel/xdp_libraries.hpp>

namespace pollux {

/// Who runs the program.
enum class XdpMode : std::uint8_t {
  kBest,     ///< the driver where it can, else the kernel
  kNative,   ///< the driver, before it makes anything of a frame; raises where it cannot
  kGeneric,  ///< the kernel, on the skb that it made of each frame ("skb mode"); works with every driver
};

/// A share in the program. It is attached by a link (bpf_link) that ends with the last file descriptor on it, so it
/// goes with the last socket of the interface, even when the process is killed. That, and that nothing is printed and
/// no bpffs needed, is why libxdp's dispatcher is not used: its programs outlive a killed process. The price: one
/// interface cannot have this and another XDP program at once.
/// A frame of a queue without a socket goes the kernel's usual way.
class XdpProgram {
 public:
  static constexpr std::uint32_t kMostQueues = 1024;

  XdpProgram() = default;
  /// Frames of `queue` go to `socket` from now on. Joins the program of another port of this interface, in this process
  /// or another. Errors: raises EBUSY when the interface has a foreign XDP program; EPERM; EOPNOTSUPP.
  static XdpProgram attach(const KernelInterface& interface, XdpMode mode, std::uint32_t queue, int socket);

  [[nodiscard]] bool native() const noexcept { return native_; }

 private:
  static constexpr const char* kName = "pollux_xsk";

  [[nodiscard]] static int try_make(const KernelInterface& interface, XdpMode mode, XdpProgram& out);
  [[nodiscard]] static bool try_join(const KernelInterface& interface, XdpMode mode, XdpProgram& out);
  [[nodiscard]] static UniqueFd load(int sockets);
  [[nodiscard]] static UniqueFd link_of(std::uint32_t program);

  UniqueFd sockets_;  ///< XSKMAP: queue -> socket; the kernel takes a closed socket out
  UniqueFd link_;
  bool native_ = false;
};

/// return bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS);
inline UniqueFd XdpProgram::load(int sockets) {
  const auto code = [](auto... parts) { return static_cast<__u8>((... | parts)); };
  const auto offset = static_cast<__s16>(offsetof(xdp_md, rx_queue_index));
  const BpfInstruction program[] = {
      {.code = code(BPF_LDX, BPF_MEM, BPF_W), .dst_reg = BPF_REG_2, .src_reg = BPF_REG_1, .off = offset, .imm = 0},
      {.code = code(BPF_LD, BPF_IMM, BPF_DW),
       .dst_reg = BPF_REG_1,
       .src_reg = BPF_PSEUDO_MAP_FD,
       .off = 0,
       .imm = sockets},
      {.code = 0, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},  // the second half of that
      {.code = code(BPF_ALU64, BPF_MOV, BPF_K), .dst_reg = BPF_REG_3, .src_reg = 0, .off = 0, .imm = XDP_PASS},
      {.code = code(BPF_JMP, BPF_CALL), .dst_reg = 0, .src_reg = 0, .off = 0, .imm = BPF_FUNC_redirect_map},
      {.code = code(BPF_JMP, BPF_EXIT), .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
  };
  return UniqueFd(bpf_prog_load(BPF_PROG_TYPE_XDP, kName, "BSD", program, std::size(program), nullptr));
}

/// Returns 0, or the errno of what failed.
inline int XdpProgram::try_make(const KernelInterface& interface, XdpMode mode, XdpProgram& out) {
  out.sockets_.reset(bpf_map_create(BPF_MAP_TYPE_XSKMAP, kName, sizeof(__u32), sizeof(__u32), kMostQueues, nullptr));
  if (!out.sockets_) return errno;
  const UniqueFd program = load(out.sockets_.get());
  if (!program) return errno;
  int native_error = 0;
  for (const XdpMode how : {XdpMode::kNative, XdpMode::kGeneric}) {
    if (mode != XdpMode::kBest && mode != how) continue;
    bpf_link_create_opts options{};
    options.sz = sizeof options;
    options.flags = how == XdpMode::kNative ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
    out.link_.reset(bpf_link_create(program.get(), static_cast<int>(interface.index()), BPF_XDP, &options));
    out.native_ = how == XdpMode::kNative;
    if (out.link_) return 0;
    if (errno == EBUSY || errno == EPERM) return errno;
    if (how == XdpMode::kNative) native_error = errno;
  }
  return native_error != 0 ? native_error : errno;
}

/// The link that holds a program; none when there is none, or CAP_SYS_ADMIN to look is missing.
inline UniqueFd XdpProgram::link_of(std::uint32_t program) {
  for (__u32 id = 0; bpf_link_get_next_id(id, &id) == 0;) {
    UniqueFd link(bpf_link_get_fd_by_id(id));
    bpf_link_info info{};
    __u32 length = sizeof info;
    if (link && bpf_obj_get_info_by_fd(link.get(), &info, &length) == 0 && info.prog_id == program) return link;
  }
  return {};
}

inline bool XdpProgram::try_join(const KernelInterface& interface, XdpMode mode, XdpProgram& out) {
  bpf_xdp_query_opts there{};
  there.sz = sizeof there;
  if (bpf_xdp_query(static_cast<int>(interface.index()), 0, &there) != 0) return false;
  out.native_ = there.drv_prog_id != 0;
  if (mode != XdpMode::kBest && (mode == XdpMode::kNative) != out.native_) return false;
  const __u32 id = out.native_ ? there.drv_prog_id : there.skb_prog_id;
  const UniqueFd program(bpf_prog_get_fd_by_id(id));
  __u32 map = 0;
  bpf_prog_info info{};
  info.nr_map_ids = 1;
  info.map_ids = reinterpret_cast<std::uintptr_t>(&map);
  __u32 length = sizeof info;
  if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) return false;
  if (std::strcmp(info.name, kName) != 0 || info.nr_map_ids != 1) return false;
  out.sockets_.reset(bpf_map_get_fd_by_id(map));
  out.link_ = link_of(id);
  return out.sockets_ && out.link_;
}

inline XdpProgram XdpProgram::attach(const KernelInterface& interface, XdpMode mode, std::uint32_t queue, int socket) {
  XdpProgram out;
  int error = EBUSY;
  for (int i = 0; i < 3 && error == EBUSY; ++i) {  // between our look and our attempt, another may come or go
    if (try_join(interface, mode, out)) {
      error = 0;
    } else {
      error = try_make(interface, mode, out);
    }
  }
  if (error == 0 && bpf_map_update_elem(out.sockets_.get(), &queue, &socket, BPF_ANY) != 0) error = errno;
  if (error == 0) return out;
  const std::string& name = interface.interface();
  std::string remedy;
  if (error == EBUSY) {
    remedy = text::cat("the interface has another XDP program; to see it: bpftool net show dev ", name,
                       "; to remove it: ip link set dev ", name, " xdp off");
  } else if (error == EPERM) {
    remedy = "XDP needs CAP_NET_ADMIN and CAP_BPF: run as root, or setcap cap_net_raw,cap_net_admin,cap_bpf+ep PROGRAM";
  } else if (mode == XdpMode::kNative) {
    remedy = "the driver may not know XDP: take XdpMode::kBest";
  }
  raise({.code = error,
         .operation = "attach an XDP program to",
         .object = interface.name(),
         .where = text::cat("queue ", queue),
         .remedy = std::move(remedy)});
}

}  // namespace pollux
