# SPDX-License-Identifier: BSD-3-Clause
"""Groups "floor" and "dispatch": what the library itself takes, with a file system that does
nothing."""

import json

from . import client
from .servers import Fleet

CONFIGURATIONS = (
    "raw-classic",
    "null-classic",
    "raw-uring",
    "null-uring",
    "null-classic-nospin",
    "null-uring-nospin",
)
# What the raw floor answers; the server with its null file system answers more.
RAW_OPERATIONS = ("getattr",)
NULL_OPERATIONS = ("getattr", "create", "open", "getxattr", "read4k", "write4k", "rename", "unlink")


def operations_of(server):
    return RAW_OPERATIONS if server.configuration.name.startswith("raw") else NULL_OPERATIONS


def measure(settings, report):
    with Fleet(CONFIGURATIONS, settings, report) as fleet:
        report.start_group(
            "floor",
            settings.rounds * 2 * sum(len(operations_of(server)) for server in fleet.servers),
        )
        for number in range(settings.rounds):
            for threads in (1, 2):
                for name in NULL_OPERATIONS:
                    for server in fleet.in_turn(number):
                        if name not in operations_of(server):
                            continue
                        measured = client.operation(
                            settings.programs,
                            name,
                            server.path,
                            threads=threads,
                            seconds=settings.seconds,
                            evict=True,
                        )
                        report.add(
                            name, server.configuration.name, measured, round=number, threads=threads
                        )


def measure_dispatch(settings, report):
    report.start_group("dispatch", settings.rounds * 4)
    for number in range(settings.rounds):
        for line in client.run([settings.programs["bench-dispatch"]]).splitlines():
            measured = json.loads(line)
            report.add(measured.pop("op"), "server", measured, round=number)
