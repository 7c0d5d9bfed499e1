# SPDX-License-Identifier: BSD-3-Clause
"""Group "stream": the tree of another machine, as far as one machine can show it, beside the local
mount."""

from . import client
from .servers import Fleet

CONFIGURATIONS = ("classic", "uring", "stream", "stream-2")
OPERATIONS = ("getxattr", "open", "create", "unlink", "createunlink", "list", "read4k", "write4k")
THREADS = (1, 4)


def measure(settings, report):
    with Fleet(CONFIGURATIONS, settings, report) as fleet:
        report.start_group(
            "stream", settings.rounds * len(OPERATIONS) * len(THREADS) * len(fleet.servers)
        )
        for number in range(settings.rounds):
            for threads in THREADS:
                for name in OPERATIONS:
                    for server in fleet.in_turn(number):
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
