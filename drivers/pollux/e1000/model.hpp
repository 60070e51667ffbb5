// SPDX-License-Identifier: BSD-3-Clause
// Model82574: an Intel 82574L in software, as its registers, descriptors and cable show it to a driver.
//
// Reading order: model_regs (the register table), model_desc (descriptors, PHY), model_quirks, model_device (state),
// the parts: general (what an access does: after_write and prepare_read; what the device does by itself: pass_time),
// queue, interrupt, receive, deliver, transmit. NVM, PHY, link, PAUSE, filters and counters are sim::GigabitMac's. The
// model follows silicon where that is known; what QEMU's e1000e does otherwise is a named Quirk.
#pragma once
#include <pollux/e1000/model_device.hpp>
#include <pollux/e1000/model_general.hpp>
#include <pollux/e1000/model_queue.hpp>
#include <pollux/e1000/model_interrupt.hpp>
#include <pollux/e1000/model_receive.hpp>
#include <pollux/e1000/model_deliver.hpp>
#include <pollux/e1000/model_transmit.hpp>
