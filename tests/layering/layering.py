#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Who may include whom, and which constructs live in which one file: the plan of the house, checked on the sources.
#
#   layering.py PROJECT_ROOT
import pathlib
import re
import sys

# Layer -> layers it may include. No sideways includes among reg, dma and pci; nothing below sees a layer above.
LAYERS = {
    "core": {"core"},
    "reg": {"core", "reg"},
    "dma": {"core", "dma"},
    "pci": {"core", "pci"},
    "irq": {"core", "irq"},
    "backend": {"core", "reg", "dma", "pci", "irq", "backend"},
    "net": {"core", "dma", "net"},
    "kernel": {"core", "dma", "net", "kernel"},
    "rt": {"core", "dma", "net", "rt"},
    "sim": {"core", "reg", "dma", "pci", "irq", "backend", "net", "sim"},
}

# File of a driver -> layers or single headers it may include, and which files of its own driver. A file may be split:
# regs_rx.hpp counts as regs.hpp.
TABLES = {"chips", "regs", "desc"}
QUEUE_LAYERS = {"core", "reg", "dma", "net"}
SET_UP = {"bring_up", "link", "filters", "stats"}
DRIVER_FILES = {
    "chips": ({"core", "reg"}, TABLES),
    "regs": ({"core", "reg"}, TABLES),
    "desc": ({"core", "reg"}, TABLES),
    "rx": (QUEUE_LAYERS, TABLES),
    "tx": (QUEUE_LAYERS, TABLES),
    "link": (QUEUE_LAYERS, TABLES),
    "filters": (QUEUE_LAYERS, TABLES),
    "stats": (QUEUE_LAYERS, TABLES),
    "interrupts": ({"core", "reg", "irq"}, TABLES),
    "bring_up": (QUEUE_LAYERS, TABLES | SET_UP),
    "port": (QUEUE_LAYERS | {"backend/concept.hpp"}, TABLES | SET_UP | {"rx", "tx", "interrupts"}),
    "model": ({"core", "reg", "net", "sim"}, TABLES | {"model"}),
}

# Headers that see everything; nobody includes them.
UMBRELLAS = {"pollux/pollux.hpp", "pollux/open_options.hpp", "pollux/open_port.hpp",
             "pollux/open_port_definitions.hpp", "pollux/open_waiter.hpp", "pollux/sim_port.hpp",
             "pollux/visit_port.hpp", "pollux/vfio_user_port.hpp", "pollux/vfio_user_port_definitions.hpp",
             "pollux/driver_config.hpp"}  # and pollux/X/X.hpp of each driver X

# What rx.hpp and tx.hpp must not reach through any chain of our headers: the data path has no text, no allocation, no
# time and no system call.
BANNED_ON_DATA_PATH = re.compile(
    r"string|vector|fmt/.*|chrono|sys/.*|linux/.*|net/.*|netinet/.*|unistd\.h|fcntl\.h|time\.h|pci/.*|pcap/.*")

# Pattern over the code (comments and strings removed) or the include line -> the only files that may match.
ONLY_IN = {
    r"#include <fmt/": {"pollux/reg/dump.hpp"},
    r"#include <pci/": {"pollux/pci/scan.hpp"},
    r"(?<!asm )\bvolatile\b": {"pollux/reg/bar.hpp", "pollux/core/order.hpp"},
    r"\basm\b": {"pollux/core/order.hpp", "pollux/core/clock.hpp"},
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[">]', re.MULTILINE)


def code_of(text):
    """The text without comments and string contents; line numbers stay."""
    def blank(match):
        return match[1] + '""' if match[1] is not None else "\n" * match[0].count("\n")
    text = re.sub(r'^(\s*#\s*include\s*)"[^"]*"|//[^\n]*|/\*.*?\*/', blank, text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)


def is_umbrella(header):
    parts = header.split("/")
    return header in UMBRELLAS or (len(parts) == 3 and parts[2] == parts[1] + ".hpp" and parts[1] not in LAYERS)


def file_of_plan(header):
    """pollux/x/regs_rx.hpp -> regs; the name itself when the plan does not know it."""
    name = header.split("/")[2].removesuffix(".hpp")
    return next((known for known in DRIVER_FILES if name == known or name.startswith(known + "_")), name)


def may_include(header, target):
    """Why the header may not include the target; an empty string when it may."""
    if is_umbrella(header):
        return ""
    if is_umbrella(target):
        return "an umbrella is for programs"
    layer, target_layer = header.split("/")[1], target.split("/")[1]
    if layer in LAYERS:
        if target_layer not in LAYERS:
            return "the toolkit does not know its drivers"
        return "" if target_layer in LAYERS[layer] else f"{layer} may not see {target_layer}"
    name = file_of_plan(header)
    if name not in DRIVER_FILES:
        return f"{name}.hpp is no file of a driver's plan (add it to DRIVER_FILES)"
    layers, own = DRIVER_FILES[name]
    if target_layer == layer:
        return "" if file_of_plan(target) in own else f"{name} may not see this file of its driver"
    if target_layer not in LAYERS:
        return "drivers never include each other"
    return "" if target_layer in layers or target.removeprefix("pollux/") in layers else f"{name} may not see {target}"


def check(files):
    """files: header name as it is included -> text. Returns all violations as lines of text."""
    found = []
    graph, system = {}, {}
    for header, text in sorted(files.items()):
        lines = text.splitlines() + ["", ""]
        if not re.fullmatch(r"// SPDX-License-Identifier: [\w.-]+", lines[0]):
            found.append(f"{header}:1: no SPDX line")
        if not re.match(r"// \S", lines[1]):
            found.append(f"{header}:2: no line saying what the file is for")
        if not is_umbrella(header) and len(header.split("/")) != 3:
            found.append(f"{header}:1: lies in no layer and no driver")
            continue
        graph[header], system[header] = {}, {}
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start(2)) + 1
            quote, target = match[1], match[2]
            if quote == '"':
                found.append(f"{header}:{line}: #include with quotes")
            elif not target.startswith("pollux/"):
                system[header][target] = line
            elif target not in files:
                found.append(f"{header}:{line}: {target} does not exist")
            else:
                graph[header][target] = line
                if why := may_include(header, target):
                    found.append(f"{header}:{line}: includes {target}: {why}")
        code = code_of(text)
        for pattern, allowed in ONLY_IN.items():
            if header not in allowed:
                for match in re.finditer(pattern, code):
                    line = code.count("\n", 0, match.start()) + 1
                    found.append(f"{header}:{line}: '{match[0]}' belongs in {' or '.join(sorted(allowed))}")
    found += cycles(graph)
    for header in graph:
        found += transitive(header, graph, system)
    return found


def reach(header, graph):
    """Every header reachable, each with a shortest chain of includes."""
    chains = {header: [header]}
    queue = [header]
    for at in queue:
        for target in graph.get(at, {}):
            if target not in chains:
                chains[target] = chains[at] + [target]
                queue.append(target)
    return chains


def transitive(header, graph, system):
    found = []
    for target, chain in reach(header, graph).items():
        way = " -> ".join(chain)
        # The layer table is closed under "includes what it includes", so this finds a hole in the table itself.
        layer, target_layer = header.split("/")[1], target.split("/")[1]
        if layer in LAYERS and not is_umbrella(header) and len(chain) > 2 and target_layer not in LAYERS[layer]:
            found.append(f"{header}: reaches {target_layer}: {way}")
        if layer not in LAYERS and not is_umbrella(header) and file_of_plan(header) in ("rx", "tx"):
            for include, line in system[target].items():
                if BANNED_ON_DATA_PATH.fullmatch(include):
                    found.append(f"{target}:{line}: <{include}> on the data path: {way}")
    return found


def cycles(graph):
    found, done = [], set()

    def visit(header, path):
        if header in path:
            found.append("cycle: " + " -> ".join(path[path.index(header):] + [header]))
        elif header not in done:
            for target in graph.get(header, {}):
                visit(target, path + [header])
            done.add(header)
    for header in graph:
        visit(header, [])
    return found


def self_test():
    """Each planted mistake is found; the clean tree is clean."""
    head = "// SPDX-License-Identifier: BSD-3-Clause\n// What it is for.\n#pragma once\n"

    def tree(**changes):
        files = {"core/a": "", "core/order": "inline void f() { asm volatile(\"\"); }", "reg/bar": "#include <pollux/core/a.hpp>",
                 "dma/b": "#include <pollux/core/a.hpp>  // volatile \"asm\"", "pci/c": "", "net/d": "#include <pollux/dma/b.hpp>",
                 "backend/concept": "#include <pollux/pci/c.hpp>", "backend/vfio": "#include <pollux/backend/concept.hpp>",
                 "x/regs": "#include <pollux/x/regs_rx.hpp>", "x/regs_rx": "#include <pollux/reg/bar.hpp>", "y/regs": "", "x/rx": "#include <pollux/x/regs.hpp>",
                 "x/port": "#include <pollux/x/rx.hpp>\n#include <pollux/backend/concept.hpp>",
                 "x/x": "#include <pollux/x/port.hpp>"}
        files |= {name.replace("__", "/"): text for name, text in changes.items()}
        return {f"pollux/{name}.hpp": text if text.startswith("!") else head + text for name, text in files.items()}

    assert check(tree()) == [], check(tree())
    planted = {
        "core may not see dma": {"core__a": "#include <pollux/dma/b.hpp>"},
        "cycle": {"core__a": "#include <pollux/core/order.hpp>", "core__order": "#include <pollux/core/a.hpp>"},
        "dma may not see reg": {"dma__b": "#include <pollux/reg/bar.hpp>"},
        "reaches pci": {"net__d": "#include <pollux/dma/b.hpp>", "dma__b": "#include <pollux/pci/c.hpp>"},
        "is no file of a driver's plan": {"x__other": "#include <pollux/core/a.hpp>"},
        "drivers never include each other": {"y__regs": "#include <pollux/x/regs.hpp>"},
        "the toolkit does not know": {"net__d": "#include <pollux/x/regs.hpp>"},
        "port may not see": {"x__port": "#include <pollux/backend/vfio.hpp>"},
        "rx may not see this file": {"x__rx": "#include <pollux/x/port.hpp>"},
        "regs may not see": {"x__regs": "#include <pollux/dma/b.hpp>"},
        "<string> on the data path": {"core__a": "#include <string>"},
        "<sys/mman.h> on the data path": {"x__rx": "#include <sys/mman.h>"},
        "'#include <fmt/'": {"net__d": "#include <fmt/core.h>"},
        "'#include <pci/'": {"pci__c": "#include <pci/pci.h>"},
        "'volatile'": {"core__a": "volatile int x;"},
        "'asm'": {"core__a": "inline void f() { asm volatile(\"\"); }"},
        "does not exist": {"core__a": "#include <pollux/core/gone.hpp>"},
        "with quotes": {"core__a": '#include "pollux/core/order.hpp"'},
        "an umbrella is for programs": {"y__regs": "#include <pollux/x/x.hpp>"},
        "no SPDX": {"core__a": "!"},
        "no line saying": {"core__a": "!// SPDX-License-Identifier: BSD-3-Clause\n#pragma once"},
    }
    for expected, changes in planted.items():
        assert any(expected in line for line in check(tree(**changes))), f"not found: {expected}: {check(tree(**changes))}"


def main():
    self_test()
    files = {}
    for place in ("include", "drivers"):
        base = pathlib.Path(sys.argv[1]) / place
        files |= {str(path.relative_to(base)): path.read_text() for path in (base / "pollux").rglob("*.hpp")}
    found = check(files)
    print("\n".join(found + [f"{len(files)} headers, {len(found)} violations"]))
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main())
