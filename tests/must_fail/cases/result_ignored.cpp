// SPDX-License-Identifier: BSD-3-Clause
// A try_ function whose failure nobody looks at.
// expect: nodiscard
#include <pollux/core/file.hpp>

#ifdef POLLUX_MUST_FAIL
#pragma GCC diagnostic error "-Wunused-result"
inline void go() { pollux::file::try_write("/x", "1"); }
#else
inline void go() { (void)pollux::file::try_write("/x", "1"); }
#endif
