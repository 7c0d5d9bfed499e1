# SPDX-License-Identifier: BSD-3-Clause
"""docs/performance.md: the last run, for readers."""

from . import configurations, machine, ratios, table
from . import statistics_of as stats

BESIDE = (
    "native",
    "classic",
    "uring",
    "passthrough-auto",
    "hp",
    "hp-uring",
    "hp-nopassthrough",
    "hp-nopassthrough-uring",
    "ll",
    "ll-uring",
)
MODES = (
    "classic-nospin",
    "classic",
    "uring-nospin",
    "uring",
    "server",
    "server-nochecks",
    "writeback",
    "passthrough",
    "classic-passthrough",
    "noopen",
)

INTRODUCTION = """# Performance

<!-- Made by bench/run --docs; do not edit. -->

{machine} Run of {started}; up to {rounds} rounds, in each of which all
configurations were measured one after the other; `a ±b%` is the median of the rounds and half of
the distance between the slowest and the fastest.

`bench/run --help` tells how to repeat it; `bench/check` prints the first table from its results.
Operations are done by a small C program (`bench-client --help` lists them), whose threads have a
directory each, on a tmpfs; the large file lies there too, for direct I/O on a disk. Peers are
measured as they come, with their own defaults, built from libfuse's examples; none of them makes
files the caller's. "A server that does nothing" answers each request from memory at once
(null-classic, null-uring): its rate by that of the best peer is what no server with as many
requests could exceed.

## What must hold

{verdicts}
"""


def configurations_table(rows):
    used = {row["config"] for row in rows}
    lines = [[c.name, c.kind, c.what] for c in configurations.CONFIGURATIONS if c.name in used]
    return table.markdown(["configuration", "", "what it is"], lines)


def of(rows, names):
    return [row for name in names for row in rows if row["config"] == name]


def section(title, text, *blocks):
    return "\n\n".join([f"## {title}", text] + [block for block in blocks if block])


def picture(drawn, what, alt):
    return f"![{alt}](performance/{drawn[what]})" if drawn and what in drawn else ""


def operations(rows, drawn):
    rows = stats.select(rows, group="operations")
    if not rows:
        return ""
    two = [row for row in rows if row["threads"] == 2] or rows
    return section(
        "Operations a second, two client threads",
        "Beside the directory itself and the peers:",
        table.by_operation(of(two, BESIDE)),
        picture(drawn, "operations", "rates by those of the directory itself"),
        "Their median latency in ns, which other work on the machine disturbs less:",
        table.by_operation(of(two, BESIDE), "p50_ns"),
        "Our own modes, rates and median latencies:",
        table.by_operation(of(two, MODES)),
        table.by_operation(of(two, MODES), "p50_ns"),
    )


def threads(rows, drawn):
    rows = stats.select(rows, group="operations", config="uring")
    counts = sorted({row["threads"] for row in rows})
    lines = []
    for op in table.ordered(row["op"] for row in rows):
        mine = stats.select(rows, op=op)
        if len({row["threads"] for row in mine}) > 1:
            cells = [table.cell(stats.select(mine, threads=count), "rate") for count in counts]
            lines.append([op] + cells)
    header = ["operation"] + [f"{count} thread(s)" for count in counts]
    return lines and section(
        "Cost by client threads",
        "Operations a second of all threads together, `uring`.",
        table.markdown(header, lines),
        picture(drawn, "threads", "rates by client threads"),
    )


def users(rows, drawn):
    rows = [dict(row, op=f"{row['op']}, {row['user']}") for row in rows if row["group"] == "users"]
    return rows and section(
        "Users",
        "Median latency in ns, one client thread. The client takes on its next user between the "
        "operations, which is not timed.",
        table.by_operation(rows, "p50_ns"),
        picture(drawn, "groups", "latency by supplementary groups"),
    )


def floors(rows, _):
    rows = [
        dict(row, op=f"{row['op']}, {row['threads']} thread(s)")
        for row in rows
        if row["group"] == "floor"
    ]
    return rows and section(
        "Floors",
        "Median latency in ns. `null` is the whole library with a file system that does nothing, "
        "`raw` a loop that gives answers it has ready.",
        table.by_operation(rows, "p50_ns"),
    )


def plain(group, title, text, value, what=None, alt=""):
    def make(rows, drawn):
        chosen = stats.select(rows, group=group)
        return chosen and section(
            title,
            text,
            table.by_operation(chosen, value),
            picture(drawn, what, alt) if what else "",
        )

    return make


def streams(rows, _):
    rows = [
        dict(row, op=f"{row['op']}, {row['threads']} thread(s)")
        for row in rows
        if row["group"] == "stream"
    ]
    return rows and section(
        "Over a stream",
        "Median latency in ns; both ends on this machine.",
        table.by_operation(rows, "p50_ns"),
    )


SECTIONS = (
    operations,
    threads,
    users,
    plain(
        "data",
        "A large file",
        "Bytes a second, one thread, by fio.",
        "bytes_a_second",
        "data",
        "data rates",
    ),
    plain(
        "tree",
        "Walking a tree",
        "Entries a second, each with a stat(2), on a fresh mount. Servers that hold a descriptor "
        "for each inode may be missing: they ran out.",
        "rate",
    ),
    plain(
        "programs",
        "Programs",
        "Seconds, on a tree of kernel headers: first on a fresh mount, and again.",
        "seconds",
    ),
    plain(
        "inodes",
        "Cost by number of inodes",
        "Nanoseconds an entry of a walk.",
        "mean_ns",
        "inodes",
        "time an entry",
    ),
    plain(
        "fairness",
        "Eight clients",
        "The slowest client's rate by the mean of all.",
        "slowest_of_mean",
    ),
    plain(
        "idle", "Idle", "Context switches a second of all threads of a server.", "switches_a_second"
    ),
    floors,
    plain(
        "dispatch",
        "The server alone",
        "Nanoseconds of CPU for a request, from raw bytes to reply bytes, with a file system that does "
        "nothing.",
        "ns",
    ),
    streams,
)


def skipped(data):
    lines = [
        f"- {entry['group']}, {entry['config'] or 'all'}: {entry['reason']}"
        for entry in data["skipped"]
    ]
    return section("Left out", "\n".join(lines)) if lines else ""


def make(data, drawn):
    rows = data["rows"]
    rounds = max((row["round"] for row in rows), default=0) + 1
    verdicts = [ratios.line(verdict) for verdict in ratios.judge(rows)]
    parts = [
        INTRODUCTION.format(
            machine=machine.paragraph(data["machine"]),
            started=data["started"],
            rounds=rounds,
            verdicts=table.markdown(ratios.HEADER, verdicts),
        ).strip(),
        section("Who was measured", configurations_table(rows)),
    ]
    parts += [part for part in (make_section(rows, drawn) for make_section in SECTIONS) if part]
    parts.append(skipped(data))
    return "\n\n".join(part for part in parts if part) + "\n"
