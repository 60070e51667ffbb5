# SPDX-License-Identifier: BSD-3-Clause
"""What pollux-doctor asks of the machine: IOMMU, modules, memory, CPUs, clock, real time. A check yields Findings."""
import re

from pollux_tools.finding import fail, info, ok, warn
from pollux_tools.pci import UDD_DRIVER
from pollux_tools.steps import NOIOMMU

MIB = 1 << 20
CAP_IPC_LOCK, CAP_SYS_ADMIN = 14, 21
CPU = "/sys/devices/system/cpu"
FIRMWARE = "turn VT-d or AMD-Vi on in the firmware's setup"
GRUB = "in /etc/default/grub add to GRUB_CMDLINE_LINUX: {}; then update-grub and reboot"


# ---- where we are ---------------------------------------------------------------------------------------------------

def check_hypervisor(machine):
    flags = cpu_flags(machine)
    vendor, product = (machine.read(f"/sys/class/dmi/id/{name}") or "" for name in ("sys_vendor", "product_name"))
    if "hypervisor" in flags:
        what = " ".join(f"{vendor} {product}".split()) or machine.read("/sys/hypervisor/type") or "unknown hypervisor"
        yield info("machine", f"virtual ({what}): latency includes the hypervisor's")
    elif flags:
        yield ok("machine", "no hypervisor")
    if machine.exists("/dev/kvm"):
        yield info("kvm", "this machine runs virtual machines fast: the lab (tests/lab/lab) uses it")
    if machine.exists("/.dockerenv") or machine.exists("/run/.containerenv"):
        yield info("container", "yes: /dev/vfio and a writable /sys must be passed in")


def check_lockdown(machine):
    mode = chosen(machine.read("/sys/kernel/security/lockdown"))
    if mode in (None, "none"):
        yield ok("lockdown", mode or "not in this kernel")
    else:
        yield warn("lockdown", f"{mode}: UIO and BARs below /sys are forbidden, VFIO is not",
                   "bind to vfio-pci, or turn Secure Boot off in the firmware's setup")


# ---- access ---------------------------------------------------------------------------------------------------------

def iommu_works(machine):
    return bool(machine.names_in("/sys/class/iommu") and machine.names_in("/sys/kernel/iommu_groups"))


def check_iommu(machine):
    units = machine.names_in("/sys/class/iommu")
    words = [w for w in (machine.read("/proc/cmdline") or "").split() if "iommu" in w]
    given = f" ({' '.join(words)})" if words else ""
    if iommu_works(machine):
        groups = len(machine.names_in("/sys/kernel/iommu_groups"))
        yield ok("iommu", f"{', '.join(units)}{given}, {groups} groups")
        return
    without = may_do_without_iommu(machine)
    verdict = warn if without else fail
    rest = "NICs can write to all memory" if without else "and without one only root drives NICs"
    table = next((t for t in ("DMAR", "IVRS") if machine.exists(f"/sys/firmware/acpi/tables/{t}")), None)
    if table:
        word = "intel_iommu=on" if table == "DMAR" else "amd_iommu=on"
        yield verdict("iommu", f"the firmware has one ({table}), the kernel does not use it{given}; {rest}",
                      GRUB.format(word))
    else:
        yield verdict("iommu", f"none (no DMAR or IVRS table){given}; {rest}",
                      f"{FIRMWARE}; a virtual machine needs a virtual IOMMU")


def may_do_without_iommu(machine):
    """Without IOMMU, devices are reached through UIO, /sys, or VFIO in that mode: all need physical addresses."""
    return has_capability(machine, CAP_SYS_ADMIN)


def noiommu_mode(machine):
    """"on", "off", or None: not in this kernel, or vfio is not loaded."""
    value = machine.read(NOIOMMU)
    return None if value is None else "on" if value in ("Y", "1") else "off"


def module_state(machine, module):
    """"loaded", "built in", "can be loaded" or None."""
    name = module.replace("-", "_")
    if machine.exists(f"/sys/module/{name}"):
        return "loaded"
    folder = f"/lib/modules/{machine.release()}"
    for file, state in (("modules.builtin", "built in"), ("modules.dep", "can be loaded")):
        pattern = re.compile(rf"(^|/){name}\.ko\b")
        if any(pattern.search(line.partition(":")[0].replace("-", "_")) for line in machine.lines(f"{folder}/{file}")):
            return state
    return None


def check_modules(machine):
    state = module_state(machine, "vfio-pci")
    if state is None:
        verdict = warn if may_do_without_iommu(machine) else fail
        yield verdict("vfio-pci", "neither loaded nor a module of this kernel",
                      "boot a kernel that has it, such as Debian's: apt-get install linux-image-amd64")
    elif state == "can be loaded":
        yield info("vfio-pci", state, "pollux-devbind loads it, or: modprobe vfio-pci")
    else:
        yield ok("vfio-pci", state)
    yield info("uio_pci_generic", module_state(machine, "uio_pci_generic") or "not in this kernel")
    yield info("iommufd", "/dev/iommu is there" if machine.exists("/dev/iommu") else "no /dev/iommu")
    if noiommu_mode(machine) == "on":
        yield warn("noiommu", "allowed: VFIO devices without IOMMU can write to all memory",
                   f"where there is an IOMMU: echo N > {NOIOMMU}")
    else:
        yield info("noiommu", noiommu_mode(machine) or "not in this kernel, or vfio is not loaded")


def has_capability(machine, bit):
    """Whether the calling process has it where it counts, in the initial user namespace."""
    if (machine.read("/proc/self/uid_map") or "").split() != ["0", "0", "4294967295"]:
        return False
    for line in machine.lines("/proc/self/status"):
        if match := re.fullmatch(r"CapEff:\s*([0-9a-f]+)", line):
            return bool(int(match[1], 16) >> bit & 1)
    return False


def check_memlock(machine):
    limit = machine.memlock_limit()
    if limit is None or has_capability(machine, CAP_IPC_LOCK):
        yield ok("locked memory", "not limited")
        return
    seen = f"limit {limit // 1024} KiB"
    remedy = f"echo '{machine.user_name()} - memlock 262144' > /etc/security/limits.d/pollux.conf, then log in anew"
    if limit < 4 * MIB:
        yield fail("locked memory", f"{seen}: VFIO cannot map packet buffers", remedy)
    elif limit < 64 * MIB:
        yield warn("locked memory", f"{seen}: small pools only", remedy)
    else:
        yield ok("locked memory", seen)


def check_pagemap(machine):
    if has_capability(machine, CAP_SYS_ADMIN):
        yield ok("pagemap", "tells physical addresses (CAP_SYS_ADMIN)")
    else:
        yield info("pagemap", "tells no physical addresses to this user; VFIO with an IOMMU needs none, UIO does")


# ---- memory ---------------------------------------------------------------------------------------------------------

def check_hugepages(machine):
    pool = "/sys/kernel/mm/hugepages"
    sizes = [name for name in machine.names_in(pool) if re.fullmatch(r"hugepages-\d+kB", name)]
    reserved = 0
    for size in sorted(sizes, key=lambda name: int(name[10:-2])):
        total, free = (machine.number(f"{pool}/{size}/{name}") or 0 for name in ("nr_hugepages", "free_hugepages"))
        reserved += total
        if total:
            line = f"{total} of {readable_size(size)}, {free} free{per_node(machine, size)}"
            more = f"echo {total + 64} > {pool}/{size}/nr_hugepages"
            yield ok("hugepages", line) if free else warn("hugepages", line, more)
    if not reserved:
        yield warn("hugepages", "none reserved: ordinary pages work, with more TLB misses",
                   "echo 64 > /proc/sys/vm/nr_hugepages")


def per_node(machine, size):
    nodes = numa_nodes(machine)
    if len(nodes) < 2:
        return ""
    base = "/sys/devices/system/node"
    counts = (f"{node}: {machine.number(f'{base}/{node}/hugepages/{size}/nr_hugepages') or 0}" for node in nodes)
    return f" ({', '.join(counts)})"


def readable_size(name):
    kib = int(name[10:-2])
    return f"{kib >> 20} GiB" if kib >= 1 << 20 else f"{kib >> 10} MiB" if kib >= 1 << 10 else f"{kib} KiB"


def numa_nodes(machine):
    return [name for name in machine.names_in("/sys/devices/system/node") if re.fullmatch(r"node\d+", name)]


def check_transparent_hugepages(machine):
    file = "/sys/kernel/mm/transparent_hugepage/enabled"
    mode = chosen(machine.read(file))
    if mode == "always":
        yield warn("transparent hugepages", "always: khugepaged moves pages under running programs",
                   f"echo madvise > {file}")
    elif mode:
        yield ok("transparent hugepages", mode)


def check_numa_balancing(machine):
    if len(numa_nodes(machine)) > 1 and machine.number("/proc/sys/kernel/numa_balancing"):
        yield warn("numa balancing", "on: pages move between nodes", "sysctl -w kernel.numa_balancing=0")


# ---- CPUs -----------------------------------------------------------------------------------------------------------

def cpu_flags(machine):
    return set(next((line.split() for line in machine.lines("/proc/cpuinfo") if line.startswith("flags")), []))


def cpus_in(text):
    """{0, 2, 3} of "0,2-3"."""
    out = set()
    for first, last in re.findall(r"\b(\d+)(?:-(\d+))?\b", text or ""):
        out |= set(range(int(first), int(last or first) + 1))
    return out


def cpus(machine):
    return sorted((name for name in machine.names_in(CPU) if re.fullmatch(r"cpu\d+", name)), key=lambda n: int(n[3:]))


def check_isolation(machine):
    isolated = cpus_in(machine.read(f"{CPU}/isolated"))
    if len(cpus(machine)) == 1:
        yield warn("isolation", "one CPU: the packet loop shares it with everything", "give the machine more CPUs")
        return
    last = max((int(name[3:]) for name in cpus(machine)), default=1)
    if not isolated:
        yield warn("isolation", "no CPU is kept for a packet loop",
                   GRUB.format(f"isolcpus={last} nohz_full={last} rcu_nocbs={last}"))
        return
    yield ok("isolation", f"isolcpus={machine.read(f'{CPU}/isolated')}")
    arguments = dict(word.partition("=")[::2] for word in (machine.read("/proc/cmdline") or "").split())
    ticking = isolated - cpus_in(machine.read(f"{CPU}/nohz_full"))
    if ticking:
        yield warn("tick", f"on isolated CPUs {listed(ticking)}: the timer interrupts the loop",
                   GRUB.format(f"nohz_full={listed(isolated)}"))
    if not isolated <= cpus_in(arguments.get("rcu_nocbs")) | cpus_in(machine.read(f"{CPU}/nohz_full")):
        yield warn("rcu", "callbacks run on isolated CPUs", GRUB.format(f"rcu_nocbs={listed(isolated)}"))


def listed(numbers):
    return ",".join(map(str, sorted(numbers)))


def check_smt(machine):
    if machine.number(f"{CPU}/smt/active") != 1:
        yield ok("smt", "off")
        return
    isolated = cpus_in(machine.read(f"{CPU}/isolated"))
    shared = {cpu for cpu in isolated
              if not cpus_in(machine.read(f"{CPU}/cpu{cpu}/topology/thread_siblings_list")) <= isolated}
    if shared:
        yield warn("smt", f"isolated CPUs {listed(shared)} share their core with others",
                   f"echo off > {CPU}/smt/control, or isolate the siblings too")
    else:
        yield info("smt", "on: two CPUs share a core; keep a packet loop's sibling idle")


def check_governor(machine):
    governors = {machine.read(f"{CPU}/{cpu}/cpufreq/scaling_governor") for cpu in cpus(machine)} - {None, ""}
    if not governors:
        yield info("governor", "the kernel does not scale frequencies here")
    elif governors == {"performance"}:
        yield ok("governor", "performance")
    else:
        yield warn("governor", f"{', '.join(sorted(governors))}: frequencies change under the loop",
                   f"echo performance | tee {CPU}/cpu*/cpufreq/scaling_governor")


def check_idle_states(machine):
    base = f"{CPU}/cpu0/cpuidle"
    deepest = (0, "")
    for state in machine.names_in(base):
        if not machine.number(f"{base}/{state}/disable"):
            name = machine.read(f"{base}/{state}/name") or state
            deepest = max(deepest, (machine.number(f"{base}/{state}/latency") or 0, name))
    limit = machine.wakeup_limit()
    if not deepest[1]:
        yield info("idle states", "the kernel has none here")
    elif min(deepest[0], deepest[0] if limit is None else limit) <= 10:
        yield ok("idle states", f"a CPU wakes within {min(deepest[0], 10)} us")
    else:
        yield warn("idle states", f"{deepest[1]}: a sleeping CPU takes {deepest[0]} us to wake",
                   "the program holds /dev/cpu_dma_latency open with 0 written to it, or: cpupower idle-set -D 10")


# ---- time -----------------------------------------------------------------------------------------------------------

def check_clock(machine):
    base = "/sys/devices/system/clocksource/clocksource0"
    source = machine.read(f"{base}/current_clocksource")
    flags = cpu_flags(machine)
    if source == "tsc":
        yield ok("clock", "tsc")
    elif source:
        yield warn("clock", f"{source}: reading the time may cost a system call",
                   f"echo tsc > {base}/current_clocksource; if refused: dmesg | grep -i tsc")
    if flags and not {"constant_tsc", "nonstop_tsc"} <= flags:
        yield warn("tsc", "not invariant (constant_tsc, nonstop_tsc): measured times drift with the frequency",
                   "the CPU or the hypervisor must provide it (QEMU: -cpu host,+invtsc)")


def check_real_time(machine):
    if machine.number("/sys/kernel/realtime") == 1:
        yield ok("kernel", f"{machine.release()}, PREEMPT_RT")
    else:
        yield info("kernel", f"{machine.release()}, not PREEMPT_RT: no bound on latency",
                   "for cyclic tasks: apt-get install linux-image-rt-amd64")
    runtime, period = (machine.number(f"/proc/sys/kernel/sched_rt_{name}_us") for name in ("runtime", "period"))
    if runtime is not None and runtime >= 0 and period:
        yield warn("rt throttling", f"a SCHED_FIFO loop is stopped for {max(0, period - runtime) // 1000} ms of each "
                   f"{period // 1000} ms", "sysctl -w kernel.sched_rt_runtime_us=-1")
    elif runtime is not None:
        yield ok("rt throttling", "off")


def check_irqbalance(machine):
    processes = filter(str.isdigit, machine.names_in("/proc"))
    if any(machine.read(f"/proc/{pid}/comm") == "irqbalance" for pid in processes):
        yield warn("irqbalance", "moves interrupts onto the packet loop's CPU", "systemctl disable --now irqbalance")
    else:
        yield ok("irqbalance", "not running")


def check_cores(machine):
    version = machine.read("/proc/xenomai/version")
    if version is not None:
        yield info("xenomai", f"Cobalt {version}")
        yield from check_udd(machine)
    if machine.exists("/dev/evl/control"):
        yield info("evl", "the EVL core is there (/dev/evl/control)")
    if version is None and not machine.exists("/dev/evl/control"):
        yield info("co-kernel", "no Xenomai, no EVL")


def check_udd(machine):
    """The module that makes a NIC a UDD device; without it interrupts are Linux's."""
    state = module_state(machine, UDD_DRIVER)
    if state is None:
        yield info(UDD_DRIVER, "not in this kernel: a Cobalt thread can poll NICs, but not sleep for their interrupts",
                   "build it: samples/xenomai/pollux_udd_pci")
    elif state == "can be loaded":
        yield info(UDD_DRIVER, state,
                   f"modprobe {UDD_DRIVER} irq=msi; pollux-devbind bind DEVICE --driver {UDD_DRIVER}")
    else:
        irq = machine.read(f"/sys/module/{UDD_DRIVER}/parameters/irq")
        yield ok(UDD_DRIVER, state + (f", irq={irq}" if irq else ""))


def chosen(text):
    """The word in brackets of "a [b] c"; None without one."""
    match = re.search(r"\[(.*?)\]", text or "")
    return match[1] if match else None


CHECKS = (check_hypervisor, check_lockdown, check_iommu, check_modules, check_memlock, check_pagemap, check_hugepages,
          check_transparent_hugepages, check_numa_balancing, check_isolation, check_smt, check_governor,
          check_idle_states, check_clock, check_real_time, check_irqbalance, check_cores)
