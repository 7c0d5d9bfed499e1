# SPDX-License-Identifier: BSD-3-Clause
"""What was measured, as it comes in: progress for who looks on, rows for the JSON."""

import json
import os
import sys
import time


def identity(row):
    """What all rounds of a measurement have in common."""
    return tuple(row[key] for key in ("group", "op", "config", "threads", "user"))


class Report:
    def __init__(self, machine, options):
        self.data = {
            "machine": machine,
            "options": options,
            "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
            "skipped": [],
            "rows": [],
        }
        self.total = 0
        self.done = 0
        self.group = ""
        self.begin = time.monotonic()

    def start_group(self, group, total):
        self.group, self.total, self.done = group, total, 0
        self.say(f"== {group}: {total} measurements")

    def say(self, text):
        print(f"[{time.monotonic() - self.begin:6.1f} s] {text}", file=sys.stderr, flush=True)

    def skip(self, configuration, reason):
        self.say(f"skipping {configuration}: {reason}")
        entry = {"group": self.group, "config": configuration, "reason": reason}
        if entry not in self.data["skipped"]:
            self.data["skipped"].append(entry)

    def cut_short(self, group, reason):
        self.say(f"{group} was cut short: {reason}")
        self.data["skipped"].append({"group": group, "config": "", "reason": reason})

    def add(self, op, config, measured, *, round=0, threads=1, user="root"):
        """measured: {value: number} of one measurement."""
        row = {
            "group": self.group,
            "op": op,
            "config": config,
            "threads": threads,
            "user": user,
            "round": round,
        }
        row.update({key: value for key, value in measured.items() if key not in row})
        self.data["rows"].append(row)
        self.done += 1
        shown = (
            f"{measured['rate']:,.0f}/s"
            if "rate" in measured
            else ", ".join(
                f"{key} {value:,.6g}"
                for key, value in measured.items()
                if isinstance(value, (int, float))
            )
        )
        self.say(
            f"{self.done}/{self.total} round {round + 1}, {op}, {config}, {threads} thread(s), {user}: {shown}"
        )

    def add_to(self, path):
        """Take over from a former run what this one has not measured anew."""
        if not os.path.exists(path):
            return
        with open(path) as file:
            former = json.load(file)
        new = {identity(row) for row in self.data["rows"]}
        groups = {row["group"] for row in self.data["rows"]}
        self.data["rows"] = [row for row in former["rows"] if identity(row) not in new] + self.data[
            "rows"
        ]
        self.data["skipped"] = [
            entry for entry in former["skipped"] if entry["group"] not in groups
        ] + self.data["skipped"]

    def write(self, path):
        temporary = path + ".new"
        with open(temporary, "w") as file:
            json.dump(self.data, file, indent=1)
            file.write("\n")
        os.replace(temporary, path)
