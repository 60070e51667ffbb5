// SPDX-License-Identifier: BSD-3-Clause
// POLLUX_ASSERT: misuse of the library by its caller (error tier 4). Define it before the first include to replace
// it, e.g. by one that throws; without NDEBUG it is the C library's assert, with NDEBUG it costs nothing.
#pragma once

#ifndef POLLUX_ASSERT
#include <cassert>
#define POLLUX_ASSERT(condition, message) assert((condition) && (message))
#endif
