// SPDX-License-Identifier: BSD-3-Clause
// Umbrella of the ixgbe driver, in reading order.
#pragma once
#include <pollux/ixgbe/chips.hpp>
#include <pollux/ixgbe/regs.hpp>
#include <pollux/ixgbe/desc.hpp>
#include <pollux/ixgbe/bring_up.hpp>
#include <pollux/ixgbe/link.hpp>
#include <pollux/ixgbe/filters.hpp>
#include <pollux/ixgbe/stats.hpp>
#include <pollux/ixgbe/rx.hpp>
#include <pollux/ixgbe/tx.hpp>
#include <pollux/ixgbe/interrupts.hpp>
#include <pollux/ixgbe/port.hpp>
