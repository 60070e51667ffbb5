#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Every header compiles alone without a warning; all of them together without exceptions, and twice in one program.
#
#   run.py PROJECT_ROOT [--cross] -- COMPILER...
#
# --cross: for another architecture, whose libraries are not there: all headers together, compiled to machine code, and
# not linked.
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
LIBRARIES = ["-lfmt", "-lpci", "-lpcap", "-lpthread"]
# Headers for those who have a library that Pollux itself does not need: skipped without it.
OPTIONAL = {f"pollux/kernel/{name}.hpp": "<xdp/xsk.h>" for name in ("af_xdp", "xdp_libraries", "xdp_program")}
OPTIONAL_LIBRARIES = ["-lxdp", "-lbpf"]
CROSS_UNIT = """
std::uint32_t forward(pollux::SimPort<pollux::Sim82599>& a, pollux::SimPort<pollux::Sim82574>& b) {
  pollux::Burst<32> burst(a.pool());
  (void)a.rx_burst(burst);
  return b.tx_burst(burst);
}
pollux::AnyPort open() { return pollux::open_port("sim:ixgbe"); }
"""


def run(command, text=None):
    """The compiler's message; an empty string when all is well."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    return "" if done.returncode == 0 else f"{' '.join(map(str, command))}\n{done.stderr}"


def main():
    own, compiler = sys.argv[1:sys.argv.index("--")], sys.argv[sys.argv.index("--") + 1:]
    root, cross = pathlib.Path(own[0]), "--cross" in own
    places = [root / "include", root / "drivers"]
    headers = sorted(str(h.relative_to(place)) for place in places for h in (place / "pollux").rglob("*.hpp"))
    base = [*compiler, "-std=c++20", *[f"-I{place}" for place in places]]
    libraries = list(LIBRARIES)
    missing = {h for h, needs in OPTIONAL.items() if run([*base, "-fsyntax-only", "-x", "c++", "-"], f"#include {needs}\n")}
    if missing:
        print(f"skipped, their library is not there: {' '.join(sorted(missing))}")
        headers = [h for h in headers if h not in missing]
    else:
        libraries += OPTIONAL_LIBRARIES

    def alone(header, *flags):
        # Included twice: the second must be empty.
        return run([*base, *WARNINGS, *flags, "-fsyntax-only", "-x", "c++", "-"], f"#include <{header}>\n" * 2)

    def together(*flags):
        everything = "".join(f"#include <{header}>\n" for header in headers)
        return run([*base, *WARNINGS, *flags, "-fsyntax-only", "-x", "c++", "-"], everything)

    def linked_twice():
        # The second unit includes in reverse order: no header may need another one before it.
        with tempfile.TemporaryDirectory(prefix="pollux-headers-") as tmp:
            units = {"a": headers, "b": headers[::-1]}
            for name, order in units.items():
                main_function = "int main() {}\n" if name == "b" else ""
                (pathlib.Path(tmp) / f"{name}.cpp").write_text("".join(f"#include <{h}>\n" for h in order) + main_function)
            sources = [f"{tmp}/{name}.cpp" for name in units]
            return run([*base, *WARNINGS, *sources, "-o", f"{tmp}/program", *libraries])

    def crosswise():
        # A port of each driver is instantiated: that is where an architecture would show.
        # The libraries' headers are those of this machine, behind the other's own.
        flags = subprocess.run(["pkg-config", "--cflags-only-I", "libpci"], capture_output=True, text=True).stdout.split()
        places = [part for place in ["/usr/include", *(f[2:] for f in flags)] for part in ("-idirafter", place)]
        everything = "".join(f"#include <{header}>\n" for header in headers)
        with tempfile.TemporaryDirectory(prefix="pollux-headers-") as tmp:
            return run([*base, *WARNINGS, "-O1", *places, "-c", "-o", f"{tmp}/unit.o", "-x", "c++", "-"],
                       everything + CROSS_UNIT)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        if cross:
            jobs = {"all headers for another architecture": pool.submit(crosswise)}
        else:
            jobs = {"all headers in two units of one program": pool.submit(linked_twice),
                    "all headers with -fno-exceptions": pool.submit(together, "-fno-exceptions")}
            for header in headers:
                jobs[f"{header} alone"] = pool.submit(alone, header)
            if not missing:
                jobs["open_port.hpp with libxdp"] = pool.submit(alone, "pollux/open_port.hpp", "-DPOLLUX_WITH_LIBXDP")
    failures = {name: message for name, job in jobs.items() if (message := job.result())}
    for name, message in failures.items():
        print(f"FAIL  {name}: {message}")
    print(f"{len(headers)} headers, {len(jobs)} compilations, {len(failures)} failed ({' '.join(compiler)})")
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
