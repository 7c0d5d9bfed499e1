# SPDX-License-Identifier: BSD-3-Clause
"""Rows as text: one table a group and number of threads."""

from . import statistics_of as stats


def ordered(values):
    return list(dict.fromkeys(values))


def figure(value):
    if value is None:
        return "-"
    if abs(value) >= 1e6:
        return f"{value / 1e6:.2f}M"
    if abs(value) >= 1e4:
        return f"{value / 1e3:.0f}k"
    if abs(value) >= 1e3:
        return f"{value / 1e3:.1f}k"
    return f"{value:.3g}"


def cell(rows, value):
    middle = stats.median(rows, value)
    if middle is None:
        return "-"
    return f"{figure(middle)} ±{stats.spread(rows, value) * 100:.0f}%"


def markdown(header, lines):
    text = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    text += ["| " + " | ".join(line) + " |" for line in lines]
    return "\n".join(text)


def by_operation(rows, value="rate"):
    """Operations downwards, configurations across."""
    configurations = ordered(row["config"] for row in rows)
    lines = []
    for op in ordered(row["op"] for row in rows):
        lines.append(
            [op] + [cell(stats.select(rows, op=op, config=name), value) for name in configurations]
        )
    return markdown(["operation"] + configurations, lines)


def by_configuration(rows, value="rate"):
    """Configurations downwards, operations across."""
    operations = ordered(row["op"] for row in rows)
    lines = []
    for name in ordered(row["config"] for row in rows):
        lines.append(
            [name] + [cell(stats.select(rows, op=op, config=name), value) for op in operations]
        )
    return markdown(["configuration"] + operations, lines)
