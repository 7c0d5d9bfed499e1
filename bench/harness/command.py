# SPDX-License-Identifier: BSD-3-Clause
"""The command line of bench/run."""

import argparse
import json
import os
import subprocess
import sys
import types

from . import behaviour, client, configurations, data, floors, machine, operations, page, programs
from . import plots as pictures
from . import ratios, streams, table, trees, users
from .report import Report
from .scratch import Scratch

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
# In this order; each says in its module what it is about.
GROUPS = {
    "dispatch": floors.measure_dispatch,
    "floor": floors.measure,
    "operations": operations.measure,
    "users": users.measure,
    "groups": users.measure_growth,
    "idle": behaviour.measure_idle,
    "fairness": behaviour.measure_fairness,
    "data": data.measure,
    "tree": trees.measure,
    "inodes": trees.measure_growth,
    "programs": programs.measure,
    "stream": streams.measure,
}

# By default, and with --quick.
SIZES = {
    "rounds": (5, 2),
    "seconds": (0.4, 0.1),
    "idle_seconds": (10, 2),
    "megabytes": (1024, 64),
    "files": (100000, 10000),
}


def parse():
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Measure fsbackend beside the directory itself, floors, and other servers, in turn "
        "and over several rounds. Needs root and /dev/fuse. Writes results.json, tables and plots.",
    )
    words = lambda text: text.split(",")  # noqa: E731
    parser.add_argument(
        "--groups", type=words, default=list(GROUPS), help="what to measure: " + ",".join(GROUPS)
    )
    parser.add_argument("--rounds", type=int, help="how often (default 5)")
    parser.add_argument("--seconds", type=float, help="of one measurement (default 0.4)")
    parser.add_argument(
        "--threads",
        type=words,
        default=["1", "2", "4", "8"],
        help="client threads (default 1,2,4,8)",
    )
    parser.add_argument(
        "--operations", type=words, default=list(operations.OPERATIONS), help="some of them only"
    )
    parser.add_argument(
        "--configurations",
        type=words,
        default=[c.name for c in configurations.CONFIGURATIONS],
        help="some of: " + ",".join(c.name for c in configurations.CONFIGURATIONS),
    )
    parser.add_argument(
        "--passthrough-hp", metavar="PATH", help="libfuse's example of that name, built"
    )
    parser.add_argument(
        "--passthrough-ll", metavar="PATH", help="libfuse's example of that name, built"
    )
    parser.add_argument(
        "--idle-seconds", type=float, help="how long the group idle looks on (default 10)"
    )
    parser.add_argument(
        "--megabytes", type=int, help="size of the file of the group data (default 1024)"
    )
    parser.add_argument(
        "--files",
        type=int,
        help="of the tree of the group tree; that of the group inodes grows to ten times as many "
        "(default 100000)",
    )
    parser.add_argument(
        "--headers",
        metavar="DIR",
        help="a tree of headers for git and grep (default: that of a Debian package)",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="two rounds of short and small measurements, where nothing else is said",
    )
    parser.add_argument(
        "--build-dir",
        default=os.path.join(SOURCE, "build-bench"),
        help="where to build (build-bench)",
    )
    parser.add_argument("--no-build", action="store_true", help="the build directory is up to date")
    parser.add_argument(
        "--output", default="bench-results", help="directory for the results (bench-results)"
    )
    parser.add_argument(
        "--add", action="store_true", help="keep what --output holds of other measurements"
    )
    parser.add_argument(
        "--only-report",
        action="store_true",
        help="measure nothing; make tables and plots of --output anew",
    )
    parser.add_argument("--docs", action="store_true", help="put the page into docs/ as well")
    parser.add_argument(
        "--on-disk",
        action="store_true",
        help="small files lie in --scratch, rather than on a tmpfs",
    )
    parser.add_argument(
        "--scratch",
        default=os.environ.get("TMPDIR", "/tmp"),
        help="where to make directories and mounts",
    )
    arguments = parser.parse_args()
    for name, known in (
        ("groups", GROUPS),
        ("operations", operations.OPERATIONS),
        ("configurations", [c.name for c in configurations.CONFIGURATIONS]),
    ):
        for unknown in set(getattr(arguments, name)) - set(known):
            parser.error(f"--{name}: there is no {unknown}")
    for name, (usual, quick) in SIZES.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, quick if arguments.quick else usual)
    return arguments


def build(directory):
    subprocess.run(
        ["cmake", "-S", SOURCE, "-B", directory, "-DFSB_TESTS=OFF", "-DFSB_BENCH=ON"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    subprocess.run(
        ["cmake", "--build", directory, "--parallel", str(os.cpu_count())],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def programs_of(arguments):
    binaries = os.path.join(arguments.build_dir, "bin")
    found = {
        name: os.path.join(binaries, name)
        for name in (
            "bench-client",
            "bench-null",
            "bench-raw",
            "bench-dispatch",
            "fsbackend-mount",
            "fsbackend-serve",
            "fsbackend-attach",
        )
    }
    found["passthrough_hp"] = arguments.passthrough_hp
    found["passthrough_ll"] = arguments.passthrough_ll
    return found


def settings_of(arguments, scratch):
    return types.SimpleNamespace(
        scratch=scratch,
        programs=programs_of(arguments),
        configurations=arguments.configurations,
        headers=arguments.headers,
        operations=arguments.operations,
        threads=[int(count) for count in arguments.threads],
        **{name: getattr(arguments, name) for name in SIZES},
    )


def measure(arguments, report):
    with Scratch(arguments.scratch) as scratch:
        if not arguments.on_disk:
            scratch.mount_tmpfs("small")
        settings = settings_of(arguments, scratch)
        for group in arguments.groups:
            try:
                GROUPS[group](settings, report)
            except client.Failed as reason:
                report.cut_short(group, str(reason))


def publish(data, directory, plots):
    """The page into a directory, its plots into one below."""
    os.makedirs(os.path.join(directory, plots), exist_ok=True)
    drawn = pictures.draw(data["rows"], os.path.join(directory, plots))
    if drawn is None:
        print("bench/run: no plots, as python3-matplotlib is not installed", file=sys.stderr)
    with open(os.path.join(directory, "performance.md"), "w") as file:
        file.write(page.make(data, drawn))


def main():
    arguments = parse()
    path = os.path.join(arguments.output, "results.json")
    report = Report(machine.describe(), vars(arguments))
    if not arguments.only_report:
        if os.geteuid() != 0:
            sys.exit("bench/run has to mount: run it as root")
        if not arguments.no_build:
            build(arguments.build_dir)
        os.makedirs(arguments.output, exist_ok=True)
        try:
            measure(arguments, report)
        finally:
            if arguments.add:
                report.add_to(path)
            report.write(path)
    with open(path) as file:
        data = json.load(file)
    publish(data, arguments.output, "performance")
    if arguments.docs:
        publish(data, os.path.join(SOURCE, "docs"), "performance")
    print(
        table.markdown(
            ratios.HEADER, [ratios.line(verdict) for verdict in ratios.judge(data["rows"])]
        )
    )
    return 0
