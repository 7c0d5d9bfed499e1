# SPDX-License-Identifier: BSD-3-Clause
"""Group "data": reading, writing and mapping a large file, by fio."""

import json
import os
import shutil
import time

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
COLD = "cold"  # what is read is in the host's cache, but not in the client's, which is another
TIMED = "timed"  # as long as a measurement takes, rather than once through the file
REST_S = 4  # what was written just before may still be written to, so nobody keeps it over an open
# On a tmpfs, where no disk takes part.
CACHED_JOBS = {
    "write": ("--rw=write", "--bs=1M"),
    "read, client's cache cold": ("--rw=read", "--bs=1M", COLD),
    "read, cached": ("--rw=read", "--bs=1M"),
    "random mmap read 4k": ("--rw=randread", "--bs=4k", "--ioengine=mmap", TIMED),
    "random read 4k": ("--rw=randread", "--bs=4k", COLD, TIMED),
    "random write 4k": ("--rw=randwrite", "--bs=4k", TIMED),
}
# On a disk.
DIRECT_JOBS = {
    "write, direct": ("--rw=write", "--bs=1M", "--direct=1"),
    "read, direct": ("--rw=read", "--bs=1M", "--direct=1"),
}
JOBS = CACHED_JOBS | DIRECT_JOBS


def words_of(job, path, megabytes, seconds):
    words = [
        "fio",
        "--name=bench",
        "--output-format=json",
        f"--filename={path}",
        f"--size={megabytes}M",
        "--ioengine=psync",
        "--invalidate=0",
        "--thread",
        "--fallocate=none",
    ]
    words += [word for word in JOBS[job] if word.startswith("--")]
    if TIMED in JOBS[job]:
        words += ["--time_based", f"--runtime={int(seconds * 1000)}ms"]
    return words


def evict(path):
    """From the client's cache."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def transfer(job, server, megabytes, seconds):
    path = os.path.join(server.path, NAME)
    # On the directory itself it would be the host's.
    if COLD in JOBS[job] and server.configuration.kind != "native":
        evict(path)
    result = json.loads(client.run(words_of(job, path, megabytes, seconds)))["jobs"][0]
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


def measure_jobs(jobs, directory, settings, report):
    """All serve the same file, so that it is in the host's cache for all of them."""
    path = os.path.join(directory, NAME)
    make(path, settings.megabytes)
    rounds = min(settings.rounds, 3)
    with Fleet(CONFIGURATIONS, settings, report, source=directory) as fleet:
        report.start_group("data", rounds * len(jobs) * len(fleet.servers))
        for number in range(rounds):
            for job in jobs:
                if COLD in jobs[job]:
                    time.sleep(REST_S)
                for server in fleet.in_turn(number):
                    measured = transfer(job, server, settings.megabytes, settings.seconds)
                    report.add(job, server.configuration.name, measured, round=number)
                    # What was written is written out, so that it does not disturb the next.
                    client.run(["sync", "-f", directory])
    os.unlink(path)


def measure(settings, report):
    if not shutil.which("fio"):
        report.start_group("data", 0)
        report.skip("", "no fio")
        return
    measure_jobs(CACHED_JOBS, settings.scratch.directory("small", "data"), settings, report)
    measure_jobs(DIRECT_JOBS, settings.scratch.directory("large"), settings, report)
