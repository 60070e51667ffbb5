// SPDX-License-Identifier: BSD-3-Clause
// The headers of libxdp and libbpf, beside which those of libpcap may stand: both sides have a struct bpf_insn.
//
// Optional, as af_xdp.hpp is. A program that writes BPF code of its own includes <linux/bpf.h> before this.
#pragma once
#if !__has_include(<xdp/xsk.h>) || !__has_include(<bpf/bpf.h>)
#error "AF_XDP needs libxdp and libbpf: apt-get install libxdp-dev libbpf-dev"
#endif
#if !defined(__LINUX_BPF_H__)
#define bpf_insn pollux_linux_bpf_insn  // functions are C's: their names do not change with their arguments' types
#define POLLUX_RENAMED_BPF_INSN
#endif
#include <linux/bpf.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/xsk.h>

namespace pollux {
using BpfInstruction = ::bpf_insn;  ///< of the kernel's own machine, not of libpcap's classic one
}

#if defined(POLLUX_RENAMED_BPF_INSN)
#undef bpf_insn
#undef POLLUX_RENAMED_BPF_INSN
#endif
