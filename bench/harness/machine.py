# SPDX-License-Identifier: BSD-3-Clause
"""On what it was measured."""

import os
import platform


def first(path, key, default="unknown"):
    try:
        with open(path) as file:
            for line in file:
                if line.startswith(key):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return default


def distribution():
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    except OSError:
        return "Linux"


def describe():
    uname = os.uname()
    memory = int(first("/proc/meminfo", "MemTotal", "0 kB").split()[0])
    flags = first("/proc/cpuinfo", "flags", "").split()
    return {
        "processor": first("/proc/cpuinfo", "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "virtual": "hypervisor" in flags,
        "memory_gib": round(memory / 1024 / 1024, 1),
        "kernel": uname.release,
        "system": distribution(),
        "load_at_start": os.getloadavg()[0],
    }


def paragraph(machine):
    where = "a virtual machine" if machine["virtual"] else "a machine"
    text = (
        f"Measured on {where} with {machine['cores']} cores ({machine['processor']}), "
        f"{machine['memory_gib']:g} GiB of memory, Linux {machine['kernel']}, {machine['system']}; "
        f"load average when it began: {machine['load_at_start']:.2f}."
    )
    if machine["load_at_start"] > machine["cores"]:
        text += " It was busy with other work: median latencies can be relied on, rates hardly."
    return text
