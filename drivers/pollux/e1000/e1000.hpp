// SPDX-License-Identifier: BSD-3-Clause
// Umbrella of the e1000 driver, in reading order.
#pragma once
#include <pollux/e1000/bring_up.hpp>
#include <pollux/e1000/chips.hpp>
#include <pollux/e1000/desc.hpp>
#include <pollux/e1000/filters.hpp>
#include <pollux/e1000/interrupts.hpp>
#include <pollux/e1000/link.hpp>
#include <pollux/e1000/port.hpp>
#include <pollux/e1000/regs.hpp>
#include <pollux/e1000/rx.hpp>
#include <pollux/e1000/stats.hpp>
#include <pollux/e1000/tx.hpp>
