#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Installs into an empty folder, then builds the README's program against nothing but what was installed.

Arguments: the project's root, the build directory, then -- and the compiler.
"""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

root, build = pathlib.Path(sys.argv[1]), sys.argv[2]
compiler = sys.argv[sys.argv.index("--") + 1:]

program = re.search(r"```cpp\n(.*?)```", (root / "README.md").read_text(), re.S).group(1)
lines = [line for line in program.splitlines() if line.strip()]
if len(lines) > 30:
    sys.exit(f"the README's program has {len(lines)} lines; it promises 30")

with tempfile.TemporaryDirectory() as folder:
    subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--only-changed", "--destdir", folder], check=True,
                   stdout=subprocess.DEVNULL)
    configs = [p.parent for p in pathlib.Path(folder).rglob("pollux.pc")]
    if len(configs) != 1:
        sys.exit(f"pollux.pc was installed {len(configs)} times")
    environment = dict(os.environ, PKG_CONFIG_PATH=str(configs[0]), PKG_CONFIG_SYSROOT_DIR=folder)
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "pollux"], check=True, capture_output=True, text=True,
                           env=environment).stdout.split()
    # The sysroot was put before the system's own folders as well; those stay where they are.
    flags = [f.removeprefix(f"-I{folder}").join(("-I", "")) if f.startswith(f"-I{folder}/usr/include") else f
             for f in flags]
    source = pathlib.Path(folder) / "receive.cpp"
    source.write_text(program)
    target = pathlib.Path(folder) / "receive"
    subprocess.run([*compiler, "-O2", "-Wall", "-Wextra", "-Werror", str(source), "-o", str(target), *flags], check=True)
    ran = subprocess.run([str(target)], capture_output=True, text=True)
    # No VFIO here, or no NIC of that address bound to it: it says so and fails.
    if ran.returncode != 1 or not ran.stderr.startswith("cannot ") or "; " not in ran.stderr:
        sys.exit(f"unexpected: exit {ran.returncode}: {ran.stderr}")
    foreign = [p for p in pathlib.Path(folder).rglob("*.hpp") if "pollux" not in p.parts]
    if foreign:
        sys.exit(f"installed outside pollux/: {foreign}")
    for tool in ("pollux-devbind", "pollux-doctor"):
        program = next(pathlib.Path(folder).rglob(f"bin/{tool}"))
        ran = subprocess.run([str(program), "--json"], capture_output=True, text=True)
        if ran.stderr or ran.returncode not in (0, 1, 2) or "headers are not where" in ran.stdout:
            sys.exit(f"unexpected: {tool} exit {ran.returncode}: {ran.stdout}{ran.stderr}")
print("installed, built and run")
