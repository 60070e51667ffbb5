"""Writes the settings file the guest's scripts read: shell assignments and PROGRAM."""

import os
import shlex


def settings(root, kernel, options, nics, program, terminal=None):
    """The text of /run/lab/settings; `terminal` is (rows, columns) when PROGRAM gets the tty."""
    values = {
        "lab_root": root,
        "modules": kernel.modules or "",
        "added_modules": kernel.added or "",
        "rw_mounts": "\n".join(f"{tag} {path}" for tag, path in rw_mounts(options.rw)),
        "drivers": "" if options.no_driver else " ".join(sorted({nic.driver for nic in nics if nic.driver})),
        "with_module": options.with_module or "",
        "nics": " ".join(nic.place for nic in nics),
        "program_path": os.environ.get("PATH", os.defpath) + ":/run/lab/bin",
        "cwd": os.getcwd(),
        "tty": "1" if terminal else "",
        "rows": str(terminal.lines) if terminal else "",
        "columns": str(terminal.columns) if terminal else "",
    }
    lines = [f"{name}={shlex.quote(value)}" for name, value in values.items()]
    lines += ["export_environment() {", *(f"    export {name}={shlex.quote(value)}" for name, value in environment(options)), "}"]
    lines.append(f"set -- {shlex.join(program)}")
    return "\n".join(lines) + "\n"


def rw_mounts(directories):
    """[(9p tag, absolute host path)] of the --rw directories."""
    return [(f"rw{index}", os.path.abspath(path)) for index, path in enumerate(directories)]


def environment(options):
    """PROGRAM's variables beyond the lab's own: a few of the host's, then --env."""
    kept = [(name, os.environ[name]) for name in ("LANG", "TERM") if name in os.environ]
    return [("HOME", "/root"), ("USER", "root"), *kept, *options.env]
