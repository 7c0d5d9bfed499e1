# SPDX-License-Identifier: BSD-3-Clause
"""Group "data": reading, writing and mapping a large file, by fio."""

import json
import os
import shutil

from . import client
from .servers import Fleet

CONFIGURATIONS = (
    "native",
    "classic",
    "uring",
    "writeback",
    "passthrough",
    "passthrough-direct",
    "passthrough-auto",
    "hp",
    "hp-nopassthrough",
    "ll",
    "stream",
)
NAME = "file"
# What is read is in the host's cache, and where it says so not in the client's, which is another.
JOBS = {
    "write": ("--rw=write", "--bs=1M"),
    "read, client's cache cold": ("--rw=read", "--bs=1M"),
    "read, cached": ("--rw=read", "--bs=1M", "--invalidate=0"),
    "random mmap read 4k": (
        "--rw=randread",
        "--bs=4k",
        "--ioengine=mmap",
        "--invalidate=0",
        "timed",
    ),
    "random read 4k": ("--rw=randread", "--bs=4k", "timed"),
    "read, direct": ("--rw=read", "--bs=1M", "--direct=1"),
    "write, direct": ("--rw=write", "--bs=1M", "--direct=1"),
    "random write 4k": ("--rw=randwrite", "--bs=4k", "timed"),
}


def words_of(job, server, megabytes, seconds):
    words = [
        "fio",
        "--name=bench",
        "--output-format=json",
        f"--filename={os.path.join(server.path, NAME)}",
        f"--size={megabytes}M",
        "--ioengine=psync",
        "--thread",
        "--allow_file_create=1",
        "--fallocate=none",
    ]
    words += [word for word in JOBS[job] if word != "timed"]
    if "timed" in JOBS[job]:
        words += ["--time_based", f"--runtime={int(seconds * 1000)}ms"]
    # The host's cache is to stay what it is; on the directory itself it is the only one.
    if server.configuration.kind == "native":
        words.append("--invalidate=0")
    return words


def transfer(job, server, megabytes, seconds):
    result = json.loads(client.run(words_of(job, server, megabytes, seconds)))["jobs"][0]
    side = result["write" if "write" in job else "read"]
    return {
        "rate": side["iops"],
        "bytes_a_second": side["bw_bytes"],
        "p50_ns": side["clat_ns"].get("percentile", {}).get("50.000000", side["clat_ns"]["mean"]),
    }


def make(path, megabytes):
    with open(path, "wb") as file:
        for _ in range(megabytes):
            file.write(bytes(1024 * 1024))


def warm(path):
    """Into the host's cache, which direct writes have emptied."""
    with open(path, "rb") as file:
        while file.read(1024 * 1024):
            pass


def settle(server):
    """What was written is written out, so that it does not disturb the next."""
    client.run(["sync", "-f", server.source])


def measure(settings, report):
    if not shutil.which("fio"):
        report.start_group("data", 0)
        report.skip("", "no fio")
        return
    megabytes = settings.megabytes
    rounds = min(settings.rounds, 3)
    # All serve the same file, so that it is in the host's cache for all of them.
    source = settings.scratch.directory("large")
    make(os.path.join(source, NAME), megabytes)
    with Fleet(CONFIGURATIONS, settings, report, source=source) as fleet:
        report.start_group("data", rounds * len(JOBS) * len(fleet.servers))
        for number in range(rounds):
            for job in JOBS:
                warm(os.path.join(source, NAME))
                for server in fleet.in_turn(number):
                    measured = transfer(job, server, megabytes, settings.seconds)
                    report.add(job, server.configuration.name, measured, round=number)
                    settle(server)
    os.unlink(os.path.join(source, NAME))
