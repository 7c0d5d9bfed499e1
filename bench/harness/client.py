# SPDX-License-Identifier: BSD-3-Clause
"""Running the programs that measure."""

import json
import os
import subprocess


class Failed(Exception):
    pass


def named(words):
    """What was run, without the paths of this machine."""
    return " ".join(os.path.basename(str(word)) for word in words[:2])


def run(words, limit=300):
    """Return: what it printed. Raises Failed."""
    try:
        done = subprocess.run(
            [str(word) for word in words], capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"{named(words)}: not done after {limit} s") from None
    if done.returncode != 0:
        why = done.stderr.strip().rsplit(": ", 1)[-1] or f"exit status {done.returncode}"
        raise Failed(f"{named(words)}: {why}")
    return done.stdout


def operation(
    programs, name, path, *, threads=1, seconds=1.0, users=(), alternate=False, evict=False
):
    """Measure an operation of bench-client in a directory. Return: {value: number}."""
    words = [programs["bench-client"], f"--threads={threads}", f"--seconds={seconds}"]
    words += [f"--user={user}" for user in users]
    words += ["--alternate"] if alternate else []
    words += ["--evict"] if evict else []
    measured = json.loads(run(words + [name, path]))
    rates = measured.pop("thread_rates")
    measured["slowest_of_mean"] = min(rates) * len(rates) / sum(rates)
    return measured
