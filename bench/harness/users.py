# SPDX-License-Identifier: BSD-3-Clause
"""Group "users": root, a user with 16 groups, and two users in turn on one thread. Group "groups":
how cost grows with their number."""

from . import client
from .servers import Fleet

# Of the peers none makes files the caller's, so that users cannot work there.
CONFIGURATIONS = ("native", "classic", "uring", "server", "server-nochecks", "stream")
OPERATIONS = ("create", "open", "getxattr", "missing", "unlink")
ONE = "20001:20001:16"
OTHER = "20101:20101:16"
CALLERS = {
    "root": {},
    "user with 16 groups": {"users": (ONE,)},
    "two users in turn": {"users": (ONE, OTHER), "alternate": True},
}
GROUP_COUNTS = (0, 1, 4, 16, 64, 256, 1024)
GROWING = ("uring", "server", "server-nochecks")
GROWTH_OPERATION = "open"


def measure(settings, report):
    with Fleet(CONFIGURATIONS, settings, report) as fleet:
        report.start_group(
            "users", settings.rounds * len(OPERATIONS) * len(CALLERS) * len(fleet.servers)
        )
        for number in range(settings.rounds):
            for name in OPERATIONS:
                for server in fleet.in_turn(number):
                    for caller, how in CALLERS.items():
                        measured = client.operation(
                            settings.programs, name, server.path, seconds=settings.seconds, **how
                        )
                        report.add(
                            name, server.configuration.name, measured, round=number, user=caller
                        )


def measure_growth(settings, report):
    with Fleet(GROWING, settings, report) as fleet:
        report.start_group("groups", settings.rounds * len(GROUP_COUNTS) * len(fleet.servers))
        for number in range(settings.rounds):
            for count in GROUP_COUNTS:
                for server in fleet.in_turn(number):
                    measured = client.operation(
                        settings.programs,
                        GROWTH_OPERATION,
                        server.path,
                        seconds=settings.seconds,
                        users=(f"20001:20001:{count}",),
                    )
                    report.add(
                        GROWTH_OPERATION,
                        server.configuration.name,
                        measured | {"groups": count},
                        round=number,
                        user=f"{count} groups",
                    )
