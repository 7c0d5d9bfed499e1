# SPDX-License-Identifier: BSD-3-Clause
"""What must hold, as ratios between configurations of one run: a table, a row a claim."""

import dataclasses
import statistics
import typing

from . import statistics_of as stats

HP = ("hp", "hp-uring", "hp-nopassthrough", "hp-nopassthrough-uring")
PEERS = HP + ("ll", "ll-uring")
OURS = ("classic", "uring", "passthrough-auto", "passthrough", "classic-passthrough")
# Data that goes by the server, written through at once, on both sides.
OURS_SERVED = ("classic", "uring")
PEERS_SERVED = ("hp-nopassthrough", "hp-nopassthrough-uring", "ll", "ll-uring")
PEERS_WRITE_THROUGH = ("ll", "ll-uring")
OURS_PASSING = ("passthrough", "passthrough-auto", "classic-passthrough")
PEERS_PASSING = ("hp", "hp-uring")


@dataclasses.dataclass(frozen=True)
class Claim:
    """The best of @ours against the best of @theirs: @value at least, or (@at_most) at most, @limit times theirs."""
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

    @property
    def holds(self):
        return self.figure is not None and (self.figure <= self.limit if self.at_most else self.figure >= self.limit)


def beside_peers(op, text, limit, ours=OURS, theirs=PEERS):
    return Claim(f"{text}, 2 threads, against the best peer", op, ours, theirs, limit)


CLAIMS = (
    beside_peers("create", "create", 1.5),
    Claim("create, 2 threads, against the best passthrough_hp", "create", OURS, HP, 3),
    beside_peers("open", "open+close", 1.5),
    beside_peers("openread", "open+read 4 KiB+close", 1.5),
    beside_peers("read4k", "read 4 KiB by the server", 1.5, OURS_SERVED, PEERS_SERVED),
    beside_peers("read4k", "read 4 KiB with passthrough (no slower)", 0.95, OURS_PASSING, PEERS_PASSING),
    beside_peers("write4k", "write 4 KiB by the server, written through", 1.5, OURS_SERVED, PEERS_WRITE_THROUGH),
    beside_peers("write4k", "write 4 KiB with passthrough (no slower)", 0.95, OURS_PASSING, PEERS_PASSING),
    beside_peers("rename", "rename", 1.5),
    beside_peers("unlink", "unlink", 1.5),
    beside_peers("getxattr", "getxattr", 1.2),
    beside_peers("chmod", "chmod", 1.2),
    beside_peers("list", "readdirplus+stat", 1.2),
    beside_peers("stat", "cached stat (no slower)", 0.95),
)


def of_claim(rows, claim, configs, their_side=False):
    user = claim.their_user or claim.user if their_side else claim.user
    op = claim.their_op or claim.op if their_side else claim.op
    found = {}
    for config in configs:
        chosen = stats.select(rows, group=claim.group, op=op, config=config, threads=claim.threads, user=user)
        if any(claim.value in row for row in chosen):
            found[config] = chosen
    return found


def best(found, claim):
    pick = min if claim.lower_is_better else max
    return pick(found, key=lambda config: stats.median(found[config], claim.value)) if found else None


def judge_claim(rows, claim):
    ours = of_claim(rows, claim, claim.ours)
    theirs = of_claim(rows, claim, claim.theirs, their_side=True)
    if not ours or not theirs:
        return Verdict(claim.text, None, 0, 0, claim.limit, claim.at_most, "not measured")
    mine, other = best(ours, claim), best(theirs, claim)
    ratios = stats.paired_ratios(ours[mine], theirs[other], claim.value)
    who = f"{mine} / {other}"
    if not ratios:
        return Verdict(claim.text, None, 0, 0, claim.limit, claim.at_most, "not measured")
    return Verdict(claim.text, statistics.median(ratios), min(ratios), max(ratios), claim.limit, claim.at_most, who)


def judge_bound(rows, bound):
    found = {}
    for config in bound.ours:
        chosen = stats.select(rows, group=bound.group, op=bound.op, config=config)
        chosen = [row for row in chosen if bound.value in row and bound.threads in (None, row["threads"])]
        if chosen:
            found[config] = chosen
    if not found:
        return Verdict(bound.text, None, 0, 0, bound.limit, bound.at_most, "not measured")
    pick = min if bound.at_most else max
    mine = pick(found, key=lambda config: stats.median(found[config], bound.value))
    values = [row[bound.value] for row in found[mine]]
    return Verdict(bound.text, statistics.median(values), min(values), max(values), bound.limit, bound.at_most, mine)


def judge(rows):
    return [judge_claim(rows, claim) if isinstance(claim, Claim) else judge_bound(rows, claim) for claim in CLAIMS]


def line(verdict):
    if verdict.figure is None:
        return [verdict.text, "-", "-", limit_text(verdict), "not measured", ""]
    return [verdict.text, f"{verdict.figure:.2f}", f"{verdict.low:.2f} to {verdict.high:.2f}", limit_text(verdict),
            "holds" if verdict.holds else "FALLS SHORT", verdict.who]


def limit_text(verdict):
    return f"{'at most' if verdict.at_most else 'at least'} {verdict.limit:g}"


HEADER = ["what", "median", "rounds", "wanted", "", "of"]
