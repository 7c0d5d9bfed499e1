# SPDX-License-Identifier: BSD-3-Clause
"""Group "data": reading, writing and mapping a large file, by fio."""

import json
import os
import shutil

from . import client
from .servers import Fleet

CONFIGURATIONS = ("native", "classic", "uring", "writeback", "passthrough", "passthrough-direct", "passthrough-auto", "hp",
                  "hp-nopassthrough", "ll", "stream")
# What is read is in the host's cache, and where it says so not in the client's, which has one of its own.
JOBS = {
    "write": ("--rw=write", "--bs=1M"),
    "read, client's cache cold": ("--rw=read", "--bs=1M"),
    "read, cached": ("--rw=read", "--bs=1M", "--invalidate=0"),
    "write, direct": ("--rw=write", "--bs=1M", "--direct=1"),
    "read, direct": ("--rw=read", "--bs=1M", "--direct=1"),
    "random read 4k": ("--rw=randread", "--bs=4k", "timed"),
    "random write 4k": ("--rw=randwrite", "--bs=4k", "timed"),
    "random mmap read 4k": ("--rw=randread", "--bs=4k", "--ioengine=mmap", "--invalidate=0", "timed"),
}


def words_of(job, server, megabytes, seconds):
    words = ["fio", "--name=bench", "--output-format=json", f"--filename={os.path.join(server.path, 'large')}",
             f"--size={megabytes}M", "--ioengine=psync", "--thread", "--allow_file_create=1", "--fallocate=none"]
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
    return {"rate": side["iops"], "bytes_a_second": side["bw_bytes"], "p50_ns": side["clat_ns"].get("percentile", {})
            .get("50.000000", side["clat_ns"]["mean"])}


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
    with Fleet(CONFIGURATIONS, settings, report, where="large") as fleet:
        report.start_group("data", rounds * len(JOBS) * len(fleet.servers))
        for server in fleet.servers:
            transfer("write", server, megabytes, settings.seconds)
        for number in range(rounds):
            for job in JOBS:
                for server in fleet.in_turn(number):
                    report.add(job, server.configuration.name, transfer(job, server, megabytes, settings.seconds),
                               round=number)
                    settle(server)
        for server in fleet.servers:
            os.unlink(os.path.join(server.source, "large"))
