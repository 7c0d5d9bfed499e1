# SPDX-License-Identifier: BSD-3-Clause
"""The command line of bench/run."""

import argparse
import os
import subprocess
import sys
import types

from . import configurations, machine, operations, table, client
from .report import Report
from .scratch import Scratch

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
GROUPS = {"operations": operations.measure}


def parse():
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Measure fsbackend beside the directory itself, floors, and other servers, in turn "
        "and over several rounds. Needs root and /dev/fuse. Writes results.json, tables and plots.")
    words = lambda text: text.split(",")  # noqa: E731
    parser.add_argument("--groups", type=words, default=list(GROUPS), help="what to measure: " + ",".join(GROUPS))
    parser.add_argument("--rounds", type=int, default=5, help="how often (default 5)")
    parser.add_argument("--seconds", type=float, default=0.4, help="of one measurement (default 0.4)")
    parser.add_argument("--threads", type=words, default=["1", "2", "4", "8"], help="client threads (default 1,2,4,8)")
    parser.add_argument("--operations", type=words, default=list(operations.OPERATIONS), help="some of them only")
    parser.add_argument("--configurations", type=words, default=[c.name for c in configurations.CONFIGURATIONS],
                        help="some of: " + ",".join(c.name for c in configurations.CONFIGURATIONS))
    parser.add_argument("--passthrough-hp", metavar="PATH", help="libfuse's example of that name, built")
    parser.add_argument("--passthrough-ll", metavar="PATH", help="libfuse's example of that name, built")
    parser.add_argument("--quick", action="store_true", help="two rounds of short measurements")
    parser.add_argument("--build-dir", default=os.path.join(SOURCE, "build-bench"), help="where to build (build-bench)")
    parser.add_argument("--no-build", action="store_true", help="the build directory is up to date")
    parser.add_argument("--output", default="bench-results", help="directory for the results (bench-results)")
    parser.add_argument("--add", action="store_true", help="keep what --output holds of other groups")
    parser.add_argument("--scratch", default=os.environ.get("TMPDIR", "/tmp"), help="where to make directories and mounts")
    return parser.parse_args()


def build(directory):
    subprocess.run(["cmake", "-S", SOURCE, "-B", directory, "-DFSB_TESTS=OFF", "-DFSB_BENCH=ON"], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(["cmake", "--build", directory, "--parallel", str(os.cpu_count())], check=True,
                   stdout=subprocess.DEVNULL)


def programs_of(arguments):
    binaries = os.path.join(arguments.build_dir, "bin")
    found = {name: os.path.join(binaries, name) for name in
             ("bench-client", "bench-null", "bench-raw", "bench-dispatch", "fsbackend-mount", "fsbackend-serve",
              "fsbackend-attach")}
    found["passthrough_hp"] = arguments.passthrough_hp
    found["passthrough_ll"] = arguments.passthrough_ll
    return found


def settings_of(arguments, scratch):
    return types.SimpleNamespace(
        scratch=scratch, programs=programs_of(arguments), configurations=arguments.configurations,
        operations=arguments.operations, threads=[int(count) for count in arguments.threads],
        rounds=2 if arguments.quick else arguments.rounds, seconds=0.1 if arguments.quick else arguments.seconds)


def main():
    arguments = parse()
    if os.geteuid() != 0:
        sys.exit("bench/run has to mount: run it as root")
    if not arguments.no_build:
        build(arguments.build_dir)
    os.makedirs(arguments.output, exist_ok=True)
    path = os.path.join(arguments.output, "results.json")
    report = Report(machine.describe(), vars(arguments))
    if arguments.add:
        report.keep(path, arguments.groups)
    with Scratch(arguments.scratch) as scratch:
        scratch.mount_tmpfs("small")
        settings = settings_of(arguments, scratch)
        for group in arguments.groups:
            try:
                GROUPS[group](settings, report)
            except client.Failed as reason:
                report.say(f"{group} was cut short: {reason}")
                report.data["skipped"].append({"group": group, "config": "", "reason": str(reason)})
            report.write(path)
    for threads in settings.threads:
        rows = [row for row in report.data["rows"] if row["threads"] == threads and row["group"] == "operations"]
        if rows:
            print(f"\n{threads} client thread(s), operations a second\n\n{table.by_operation(rows)}")
    return 0
