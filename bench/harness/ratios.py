# SPDX-License-Identifier: BSD-3-Clause
"""What must hold, as ratios between configurations of one run: a table, a row a claim."""

import dataclasses
import statistics
import typing

from . import statistics_of as stats

HP = ("hp", "hp-uring", "hp-nopassthrough", "hp-nopassthrough-uring")
PEERS = HP + ("ll", "ll-uring")
OURS = (
    "classic",
    "uring",
    "passthrough-auto",
    "passthrough",
    "classic-passthrough",
    "server-nochecks",
    "noopen",
)
# What the requests alone cost, where these servers are asked just what ours are.
NULL = ("null-classic", "null-uring")
NULL_OPERATIONS = ("create", "open", "getxattr", "rename", "chmod", "unlink")
# Data that goes by the server, written through at once, on both sides.
OURS_SERVED = ("classic", "uring")
PEERS_SERVED = ("hp-nopassthrough", "hp-nopassthrough-uring", "ll", "ll-uring")
PEERS_WRITE_THROUGH = ("ll", "ll-uring")
OURS_PASSING = ("passthrough", "passthrough-auto", "classic-passthrough")
PEERS_PASSING = ("hp", "hp-uring")


@dataclasses.dataclass(frozen=True)
class Claim:
    """The best of @ours against the best of @theirs: @value at least, or (@at_most) at most, @limit
    times theirs."""

    text: str
    op: str
    ours: tuple
    theirs: tuple
    limit: float
    group: str = "operations"
    value: str = "rate"
    at_most: bool = False
    threads: int = 2
    user: str = "root"
    their_user: str = ""
    lower_is_better: bool = False
    their_op: str = ""
    enough: float = float("inf")  # this much of @value holds, whatever the ratio
    floor: tuple = ()  # who shows what could be reached at best


@dataclasses.dataclass(frozen=True)
class Bound:
    """The best of @ours: @value at most or at least @limit, without anything to compare with."""

    text: str
    op: str
    ours: tuple
    limit: float
    group: str
    value: str
    at_most: bool = True
    threads: typing.Optional[int] = None


@dataclasses.dataclass(frozen=True)
class Verdict:
    text: str
    figure: typing.Optional[float]
    low: float
    high: float
    limit: float
    at_most: bool
    who: str
    enough: bool = False
    by_latency: typing.Optional[float] = None
    at_best: typing.Optional[float] = None

    @property
    def holds(self):
        return self.figure is not None and (
            self.enough
            or (self.figure <= self.limit if self.at_most else self.figure >= self.limit)
        )


def beside_peers(op, text, limit, ours=OURS, theirs=PEERS):
    floor = NULL if op in NULL_OPERATIONS else ()
    return Claim(f"{text}, 2 threads, against the best peer", op, ours, theirs, limit, floor=floor)


def null_operation(io):
    return Claim(
        f"null operation by the server by the null floor, {io}",
        "getattr",
        (f"null-{io}",),
        (f"raw-{io}",),
        1.15,
        "floor",
        "p50_ns",
        True,
        1,
        lower_is_better=True,
    )


MODES = ("uring", "server")
USERS_OPERATIONS = ("create", "open", "getxattr")
CACHED_JOBS = ("read, client's cache cold", "read, cached", "write")
DIRECT_JOBS = ("read, direct", "write, direct")
SERVED_DATA = ("classic", "uring")
PASSING_DATA = ("passthrough", "passthrough-auto")


def of_users(mode, op, user, other, limit):
    return Claim(
        f"{op}, {mode}: latency of {user} by that of {other}",
        op,
        (mode,),
        (mode,),
        limit,
        "users",
        "p50_ns",
        True,
        1,
        user,
        other,
        lower_is_better=True,
    )


def of_data(job, ours, limit, how):
    return Claim(
        f"{job}, {how}, by native",
        job,
        ours,
        ("native",),
        limit,
        "data",
        "bytes_a_second",
        threads=1,
    )


CLAIMS = (
    beside_peers("create", "create", 1.5),
    Claim("create, 2 threads, against passthrough_hp as it comes", "create", OURS, ("hp",), 3),
    Claim("create, 2 threads, against the best passthrough_hp", "create", OURS, HP, 3, floor=NULL),
    beside_peers("open", "open+close", 1.5),
    beside_peers("openread", "open+read 4 KiB+close", 1.5),
    beside_peers("read4k", "read 4 KiB by the server", 1.5, OURS_SERVED, PEERS_SERVED),
    beside_peers(
        "read4k", "read 4 KiB with passthrough (no slower)", 0.95, OURS_PASSING, PEERS_PASSING
    ),
    beside_peers(
        "write4k",
        "write 4 KiB by the server, written through",
        1.5,
        OURS_SERVED,
        PEERS_WRITE_THROUGH,
    ),
    beside_peers(
        "write4k", "write 4 KiB with passthrough (no slower)", 0.95, OURS_PASSING, PEERS_PASSING
    ),
    beside_peers("rename", "rename", 1.5),
    beside_peers("unlink", "unlink", 1.5),
    beside_peers("getxattr", "getxattr", 1.2),
    beside_peers("chmod", "chmod", 1.2),
    beside_peers("list", "readdirplus+stat", 1.2),
    beside_peers("stat", "cached stat (no slower)", 0.95),
    null_operation("classic"),
    null_operation("uring"),
    *(
        Bound(f"decode, dispatch and reply of {op}, ns", op, ("server",), 100, "dispatch", "ns")
        for op in ("GETATTR", "LOOKUP", "READ")
    ),
    *(
        of_users(mode, op, "user with 16 groups", "root", 1.1)
        for mode in MODES
        for op in USERS_OPERATIONS
    ),
    *(
        of_users(mode, op, "two users in turn", "user with 16 groups", 1.3)
        for mode in MODES
        for op in USERS_OPERATIONS
    ),
    *(of_data(job, PASSING_DATA, 0.95, "with passthrough") for job in CACHED_JOBS),
    *(of_data(job, ("passthrough-direct",), 0.95, "with passthrough") for job in DIRECT_JOBS),
    of_data("random mmap read 4k", PASSING_DATA, 0.95, "with passthrough"),
    *(
        of_data(job, SERVED_DATA + (("writeback",) if job == "write" else ()), 0.6, "by the server")
        for job in CACHED_JOBS
    ),
    *(
        of_data(job, SERVED_DATA, 0.6, "by the server, which caches on the host")
        for job in DIRECT_JOBS
    ),
    of_data("random mmap read 4k", SERVED_DATA, 0.95, "by the server"),
    *(
        Bound(
            f"context switches a second of an idle mount, {name}",
            "idle",
            (name,),
            most,
            "idle",
            "switches_a_second",
        )
        # The ends of a stream ask each other every 15 s whether they live: some five switches.
        for name, most in (("classic", 0), ("uring", 0), ("server", 0), ("stream", 1))
    ),
    *(
        Bound(
            f"slowest of 8 clients by the mean, {op}, {name}",
            op,
            (name,),
            0.5,
            "fairness",
            "slowest_of_mean",
            False,
        )
        for op in ("getxattr", "create")
        for name in ("classic", "uring", "server")
    ),
    *(
        Claim(
            f"time an entry at a million by that at ten thousand, {name}",
            "walk of 1000000 files",
            (name,),
            (name,),
            1.3,
            "inodes",
            "mean_ns",
            True,
            1,
            lower_is_better=True,
            their_op="walk of 10000 files",
        )
        for name in ("classic", "uring")
    ),
    *(
        Bound(
            f"resident bytes an inode at a million, {name}",
            "walk of 1000000 files",
            (name,),
            200,
            "inodes",
            "resident_an_inode",
        )
        for name in ("classic", "uring")
    ),
    *(
        Claim(
            f"stream: latency of {op} by the local mount's",
            op,
            ("stream",),
            ("classic",),
            2.5,
            "stream",
            "p50_ns",
            True,
            1,
            lower_is_better=True,
        )
        for op in ("getxattr", "open")
    ),
    *(
        Claim(
            f"stream: throughput of {op}, 4 clients, by the local mount's",
            op,
            ("stream", "stream-2"),
            ("classic",),
            0.45,
            "stream",
            threads=4,
        )
        for op in ("getxattr", "open")
    ),
    *(
        Claim(
            f"stream: {job}, by the local mount's (or 1.5 GB/s)",
            job,
            ("stream",),
            ("classic",),
            0.5,
            "data",
            "bytes_a_second",
            threads=1,
            enough=1.5e9,
        )
        for job in ("write", "read, client's cache cold")
    ),
    *(
        Bound(f"stream: {text}, ns", op, ("stream",), limit, "stream", "p50_ns", threads=1)
        for op, text, limit in (
            ("open", "open+close", 98000),
            ("createunlink", "create+unlink", 300000),
            ("list", "readdir of 64, with a stat of each", 274000),
        )
    ),
)


def of_claim(rows, claim, configs, their_side=False):
    user = claim.their_user or claim.user if their_side else claim.user
    op = claim.their_op or claim.op if their_side else claim.op
    found = {}
    for config in configs:
        chosen = stats.select(
            rows, group=claim.group, op=op, config=config, threads=claim.threads, user=user
        )
        if any(claim.value in row for row in chosen):
            found[config] = chosen
    return found


def best(found, claim):
    pick = min if claim.lower_is_better else max
    return (
        pick(found, key=lambda config: stats.median(found[config], claim.value)) if found else None
    )


def not_measured(claim):
    return Verdict(claim.text, None, 0, 0, claim.limit, claim.at_most, "not measured")


def ratio_of_latencies(ours, theirs):
    """How many times shorter our best median latency is than theirs."""
    lowest = [
        min(
            (stats.median(rows, "p50_ns") for rows in side.values() if "p50_ns" in rows[0]),
            default=None,
        )
        for side in (ours, theirs)
    ]
    return lowest[1] / lowest[0] if all(lowest) else None


def ratio_at_best(rows, claim, theirs, other):
    """Of a server that does nothing but answer."""
    floor = of_claim(rows, claim, claim.floor)
    reached = best(floor, claim)
    if not reached:
        return None
    return stats.median(floor[reached], claim.value) / stats.median(theirs[other], claim.value)


def judge_claim(rows, claim):
    ours = of_claim(rows, claim, claim.ours)
    theirs = of_claim(rows, claim, claim.theirs, their_side=True)
    mine, other = best(ours, claim), best(theirs, claim)
    ratios = stats.paired_ratios(ours[mine], theirs[other], claim.value) if mine and other else []
    if not ratios:
        return not_measured(claim)
    return Verdict(
        claim.text,
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        claim.limit,
        claim.at_most,
        f"{mine} / {other}",
        stats.median(ours[mine], claim.value) >= claim.enough,
        ratio_of_latencies(ours, theirs) if claim.value == "rate" else None,
        ratio_at_best(rows, claim, theirs, other),
    )


def judge_bound(rows, bound):
    found = {}
    for config in bound.ours:
        chosen = stats.select(rows, group=bound.group, op=bound.op, config=config)
        chosen = [
            row for row in chosen if bound.value in row and bound.threads in (None, row["threads"])
        ]
        if chosen:
            found[config] = chosen
    if not found:
        return not_measured(bound)
    pick = min if bound.at_most else max
    mine = pick(found, key=lambda config: stats.median(found[config], bound.value))
    values = [row[bound.value] for row in found[mine]]
    return Verdict(
        bound.text,
        statistics.median(values),
        min(values),
        max(values),
        bound.limit,
        bound.at_most,
        mine,
    )


def judge(rows):
    return [
        judge_claim(rows, claim) if isinstance(claim, Claim) else judge_bound(rows, claim)
        for claim in CLAIMS
    ]


def line(verdict):
    if verdict.figure is None:
        return [verdict.text, "-", "-", "-", "-", limit_text(verdict), "not measured", ""]
    return [
        verdict.text,
        f"{verdict.figure:.2f}",
        f"{verdict.low:.2f} to {verdict.high:.2f}",
        f"{verdict.by_latency:.2f}" if verdict.by_latency else "",
        f"{verdict.at_best:.2f}" if verdict.at_best else "",
        limit_text(verdict),
        "holds" if verdict.holds else "FALLS SHORT",
        verdict.who,
    ]


def limit_text(verdict):
    return f"{'at most' if verdict.at_most else 'at least'} {verdict.limit:g}"


HEADER = [
    "what",
    "median",
    "rounds",
    "by median latency",
    "a server that does nothing",
    "wanted",
    "",
    "of",
]
