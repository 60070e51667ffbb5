// SPDX-License-Identifier: BSD-3-Clause
// The Intel 82599 in software: test double, default device where there is no hardware, NIC for a virtual machine.
// Reading order: model_regs and model_table (what is there), model_nvm and model_pci (around the chip), model_desc,
// model_device (state), then the parts: general, queue, interrupt, link, receive, deliver, transmit.
#pragma once
#include <pollux/ixgbe/model_device.hpp>
#include <pollux/ixgbe/model_general.hpp>
#include <pollux/ixgbe/model_queue.hpp>
#include <pollux/ixgbe/model_interrupt.hpp>
#include <pollux/ixgbe/model_link.hpp>
#include <pollux/ixgbe/model_receive.hpp>
#include <pollux/ixgbe/model_deliver.hpp>
#include <pollux/ixgbe/model_transmit.hpp>
