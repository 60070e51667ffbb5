// SPDX-License-Identifier: BSD-3-Clause
// Model82576: an Intel 82576 in software, as its registers, descriptors and cable show it to a driver.
//
// Reading order: model_regs (the register table), model_quirks, model_desc (descriptors, PHY), model_device (state),
// the parts: general (what an access does, resets, time, configuration space), queue, interrupt, receive, deliver,
// transmit. NVM, PHY, link, PAUSE, filters and counters are sim::GigabitMac's.
#pragma once
#include <pollux/igb/model_device.hpp>
#include <pollux/igb/model_general.hpp>
#include <pollux/igb/model_queue.hpp>
#include <pollux/igb/model_interrupt.hpp>
#include <pollux/igb/model_receive.hpp>
#include <pollux/igb/model_deliver.hpp>
#include <pollux/igb/model_transmit.hpp>
