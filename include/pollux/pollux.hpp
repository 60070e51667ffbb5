// SPDX-License-Identifier: BSD-3-Clause
// Everything of Pollux but the drivers, in dependency order, which is the order to read it in.
#pragma once
#include <pollux/core/endian.hpp>
#include <pollux/core/address.hpp>
#include <pollux/core/assert.hpp>
#include <pollux/core/text.hpp>
#include <pollux/core/sort.hpp>
#include <pollux/core/error.hpp>
#include <pollux/core/syscall.hpp>
#include <pollux/core/socket.hpp>
#include <pollux/core/unix_address.hpp>
#include <pollux/core/poll.hpp>
#include <pollux/core/memory_calls.hpp>
#include <pollux/core/unique_fd.hpp>
#include <pollux/core/file.hpp>
#include <pollux/core/mapping.hpp>
#include <pollux/core/order.hpp>
#include <pollux/core/clock.hpp>

#include <pollux/reg/field.hpp>
#include <pollux/reg/register.hpp>
#include <pollux/reg/bar.hpp>
#include <pollux/reg/wait.hpp>
#include <pollux/reg/port_io.hpp>
#include <pollux/reg/dump.hpp>

#include <pollux/dma/domain.hpp>
#include <pollux/dma/iova.hpp>
#include <pollux/dma/hugepage.hpp>
#include <pollux/dma/physical.hpp>
#include <pollux/dma/contiguous.hpp>
#include <pollux/dma/region.hpp>
#include <pollux/dma/ring.hpp>
#include <pollux/dma/buffers.hpp>
#include <pollux/dma/pool.hpp>

#include <pollux/pci/address.hpp>
#include <pollux/pci/sysfs.hpp>
#include <pollux/pci/config.hpp>
#include <pollux/pci/bind.hpp>
#include <pollux/pci/scan.hpp>

#include <pollux/irq/interrupt.hpp>
#include <pollux/irq/interrupt_set.hpp>
#include <pollux/irq/vectors.hpp>
#include <pollux/irq/policy.hpp>
#include <pollux/irq/rx_waiter.hpp>

#include <pollux/backend/concept.hpp>
#include <pollux/backend/pci_device.hpp>
#include <pollux/backend/vfio_device.hpp>
#include <pollux/backend/vfio.hpp>
#include <pollux/backend/iommufd_abi.hpp>
#include <pollux/backend/vfio_cdev.hpp>
#include <pollux/backend/sysfs.hpp>
#include <pollux/backend/uio.hpp>
#include <pollux/backend/rtdm.hpp>
#include <pollux/backend/udd.hpp>
#include <pollux/backend/open.hpp>
#include <pollux/backend/vfio_user_abi.hpp>
#include <pollux/backend/vfio_user_channel.hpp>
// <pollux/backend/vfio_user.hpp> and <pollux/sim/vfio_user_server.hpp> read JSON, which takes the compiler more time
// than the rest: who wants them names them.

#include <pollux/net/packet.hpp>
#include <pollux/net/burst.hpp>
#include <pollux/net/link.hpp>
#include <pollux/net/mac.hpp>
#include <pollux/net/stats.hpp>
#include <pollux/net/lanes.hpp>
#include <pollux/net/rx_ring.hpp>
#include <pollux/net/tx_ring.hpp>
#include <pollux/net/metadata.hpp>
#include <pollux/net/port.hpp>
#include <pollux/net/rss.hpp>
#include <pollux/net/standstill.hpp>
#include <pollux/net/start_stop.hpp>
#include <pollux/net/port_waiter.hpp>
#include <pollux/net/any_port.hpp>
#include <pollux/net/spec.hpp>
#include <pollux/net/headers.hpp>
#include <pollux/net/checksum.hpp>
#include <pollux/net/pcap.hpp>
#include <pollux/net/pcapng.hpp>

#include <pollux/kernel/interface.hpp>
#include <pollux/kernel/packet_port.hpp>
#include <pollux/kernel/packet_socket.hpp>
#include <pollux/kernel/packet_mmsg.hpp>
#include <pollux/kernel/packet_mmap.hpp>
// <pollux/kernel/af_xdp.hpp> needs libxdp: who wants it names it.

#include <pollux/rt/syscall_guard.hpp>

#include <pollux/sim/fault.hpp>
#include <pollux/sim/iommu.hpp>
#include <pollux/sim/clock.hpp>
#include <pollux/sim/wire.hpp>
#include <pollux/sim/pcap_tap.hpp>
#include <pollux/sim/socket_file.hpp>
#include <pollux/sim/kernel_wire.hpp>
#include <pollux/sim/registers.hpp>
#include <pollux/sim/config_space.hpp>
#include <pollux/sim/interrupts.hpp>
#include <pollux/sim/offload.hpp>
#include <pollux/sim/nic.hpp>
#include <pollux/sim/rss_table.hpp>
#include <pollux/sim/advanced.hpp>
#include <pollux/sim/advanced_tx.hpp>
#include <pollux/sim/mii_phy.hpp>
#include <pollux/sim/gigabit_regs.hpp>
#include <pollux/sim/gigabit_counters.hpp>
#include <pollux/sim/gigabit_mac.hpp>
#include <pollux/sim/backend.hpp>
#include <pollux/sim/served_device.hpp>
#include <pollux/sim/client_memory.hpp>
