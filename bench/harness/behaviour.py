# SPDX-License-Identifier: BSD-3-Clause
"""Groups "idle" and "fairness": that a mount without work takes nothing, and that none of eight
clients starves."""

import glob
import time

from . import client
from .servers import Fleet

SERVED = ("classic", "classic-nospin", "uring", "uring-nospin", "server", "stream")
PEERS = ("hp", "hp-uring", "ll", "ll-uring")
BUSY = ("getxattr", "create")


def switches(process):
    """How often the threads of a process were given a core."""
    count = 0
    for path in glob.glob(f"/proc/{process.pid}/task/*/status"):
        with open(path) as status:
            count += sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
    return count


def switches_of(server):
    return sum(switches(process) for process in (server.process, server.beside) if process)


def measure_idle(settings, report):
    """All mounts at the same time, after some work."""
    seconds = settings.idle_seconds
    with Fleet(SERVED + PEERS, settings, report) as fleet:
        report.start_group("idle", len(fleet.servers))
        for server in fleet.servers:
            client.operation(settings.programs, "create", server.path, seconds=0.2, threads=2)
        time.sleep(1)
        before = [switches_of(server) for server in fleet.servers]
        time.sleep(seconds)
        for server, count in zip(fleet.servers, before):
            report.add(
                "idle",
                server.configuration.name,
                {"switches_a_second": (switches_of(server) - count) / seconds},
                threads=0,
            )


def measure_fairness(settings, report):
    with Fleet(SERVED + PEERS, settings, report) as fleet:
        report.start_group("fairness", settings.rounds * len(BUSY) * len(fleet.servers))
        for number in range(settings.rounds):
            for name in BUSY:
                for server in fleet.in_turn(number):
                    measured = client.operation(
                        settings.programs,
                        name,
                        server.path,
                        threads=8,
                        seconds=settings.seconds * 2,
                    )
                    report.add(name, server.configuration.name, measured, round=number, threads=8)
