# SPDX-License-Identifier: BSD-3-Clause
"""Group "programs": git and grep on a tree of kernel headers, as users run them."""

import glob
import os
import shutil
import subprocess
import time

from . import client
from .servers import Fleet

CONFIGURATIONS = (
    "native",
    "classic",
    "uring",
    "server",
    "passthrough-auto",
    "hp",
    "hp-uring",
    "ll",
    "ll-uring",
    "stream",
)


def header_tree(given):
    """The tree that was given, Debian's headers of a kernel, or what they leave for programs."""
    found = (
        [given]
        if given
        else sorted(glob.glob("/usr/src/linux-headers-*-common")) + ["/usr/include/linux"]
    )
    return next((path for path in found if os.path.isdir(path)), None)


def make(settings, headers):
    tree = os.path.join(settings.scratch.directory("small", "programs"), "tree")
    shutil.copytree(headers, tree, symlinks=True)
    git = [
        "git",
        "-C",
        tree,
        "-c",
        "user.name=bench",
        "-c",
        "user.email=bench@localhost",
        "-c",
        "gc.auto=0",
    ]
    for words in (["init", "-q"], ["add", "-A", "--force"], ["commit", "-q", "-m", "headers"]):
        client.run(git + words)
    return tree


PROGRAMS = {
    "git status": ["git", "-c", "safe.directory=*", "status", "--porcelain"],
    "grep -r": ["grep", "-rc", "--exclude-dir=.git", "NO_SUCH_WORD_IN_HEADERS", "."],
}


def timed(words, path):
    begin = time.monotonic()
    done = subprocess.run(
        words, cwd=path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300
    )
    seconds = time.monotonic() - begin
    if done.returncode > 1:
        raise client.Failed(f"{' '.join(words)}: {done.stderr.strip()[-200:]}")
    return {"seconds": seconds, "rate": 1 / seconds}


def run_both_ways(report, server, number):
    """On a mount that knows nothing yet, and again."""
    for name, words in PROGRAMS.items():
        server.restart()
        for state in ("first", "again"):
            report.add(
                f"{name}, {state}",
                server.configuration.name,
                timed(words, server.path),
                round=number,
            )


def measure(settings, report):
    headers = header_tree(settings.headers)
    rounds = min(settings.rounds, 3)
    if not headers or not shutil.which("git"):
        report.start_group("programs", 0)
        report.skip("", "no git, or no headers")
        return
    tree = make(settings, headers)
    with Fleet(CONFIGURATIONS, settings, report, source=tree) as fleet:
        report.start_group("programs", rounds * 2 * len(PROGRAMS) * len(fleet.servers))
        for number in range(rounds):
            for server in fleet.in_turn(number):
                run_both_ways(report, server, number)
    shutil.rmtree(tree)
