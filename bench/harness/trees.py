# SPDX-License-Identifier: BSD-3-Clause
"""Groups "tree" and "inodes": walking through many files that the client has not seen, and how cost
grows with them."""

import json
import os
import shutil

from . import client, configurations
from .servers import Fleet, Server, Unavailable

CONFIGURATIONS = (
    "native",
    "classic",
    "uring",
    "server",
    "hp",
    "hp-uring",
    "ll",
    "ll-uring",
    "stream",
)
GROWING = ("native", "classic", "uring")


def make(settings, files):
    path = settings.scratch.directory("small", f"tree{files}")
    client.run([settings.programs["bench-client"], "maketree", path, files])
    return path


def resident(process):
    with open(f"/proc/{process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def walk(settings, server):
    """On a mount that knows nothing yet. Return: {value: number}."""
    server.restart()
    before = resident(server.process) if server.process else 0
    measured = json.loads(client.run([settings.programs["bench-client"], "walktree", server.path]))
    if server.process:
        measured["resident_an_inode"] = (resident(server.process) - before) / measured["count"]
    return measured


def walk_or_tell(settings, report, server, number, name):
    """Servers with a descriptor an inode run out of them."""
    try:
        report.add(name, server.configuration.name, walk(settings, server), round=number)
    except (client.Failed, Unavailable) as reason:
        report.skip(server.configuration.name, str(reason))
        return False
    return True


def measure(settings, report):
    files = settings.files
    tree = make(settings, files)
    with Fleet(CONFIGURATIONS, settings, report, source=tree) as fleet:
        report.start_group("tree", settings.rounds * len(fleet.servers))
        able = set(fleet.servers)
        for number in range(settings.rounds):
            for server in fleet.in_turn(number):
                if server in able and not walk_or_tell(
                    settings, report, server, number, f"walk of {files} files"
                ):
                    able.remove(server)
    shutil.rmtree(tree)


def measure_growth(settings, report):
    sizes = (settings.files // 10, settings.files, settings.files * 10)
    rounds = min(settings.rounds, 3)
    report.start_group("inodes", rounds * len(sizes) * len(GROWING))
    for files in sizes:
        tree = make(settings, files)
        for number in range(rounds):
            for name in GROWING:
                if name not in settings.configurations:
                    continue
                server = Server(
                    configurations.find(name), settings.scratch, settings.programs, source=tree
                )
                walk_or_tell(settings, report, server, number, f"walk of {files} files")
                server.stop()
        shutil.rmtree(tree)
