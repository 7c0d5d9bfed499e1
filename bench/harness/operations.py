# SPDX-License-Identifier: BSD-3-Clause
"""Group "operations": each of them, by one client thread to eight, in all configurations in turn."""

from . import client, ratios
from .servers import Fleet

OPERATIONS = (
    "create",
    "open",
    "openread",
    "stat",
    "statsync",
    "missing",
    "read4k",
    "readcached",
    "write4k",
    "getxattr",
    "rename",
    "chmod",
    "unlink",
    "list",
    "mkdir",
    "symlink",
    "readlink",
)

CONFIGURATIONS = (
    "native",
    "null-classic",
    "null-uring",
    "classic",
    "classic-nospin",
    "uring",
    "uring-nospin",
    "server",
    "server-nochecks",
    "writeback",
    "passthrough",
    "passthrough-auto",
    "classic-passthrough",
    "noopen",
    "hp",
    "hp-uring",
    "hp-nopassthrough",
    "hp-nopassthrough-uring",
    "ll",
    "ll-uring",
)


def evicts(server, name):
    """The host's own cache is to stay: it is what all others read from."""
    return name == "read4k" and server.configuration.kind != "native"


def does(configuration, name):
    """What keeps nothing is only measured where that makes no difference."""
    return configuration.kind != "floor" or name in ratios.NULL_OPERATIONS


def measure(settings, report):
    with Fleet(CONFIGURATIONS, settings, report) as fleet:
        pairs = sum(does(server.configuration, name) for server in fleet.servers for name in settings.operations)
        report.start_group("operations", settings.rounds * len(settings.threads) * pairs)
        for number in range(settings.rounds):
            for threads in settings.threads:
                for name in settings.operations:
                    for server in fleet.in_turn(number):
                        if not does(server.configuration, name):
                            continue
                        measured = client.operation(
                            settings.programs,
                            name,
                            server.path,
                            threads=threads,
                            seconds=settings.seconds,
                            evict=evicts(server, name),
                        )
                        report.add(
                            name, server.configuration.name, measured, round=number, threads=threads
                        )
