# SPDX-License-Identifier: BSD-3-Clause
"""Medians and spreads of rows."""

import statistics


def select(rows, **wanted):
    return [row for row in rows if all(row.get(key) == value for key, value in wanted.items())]


def median(rows, value="rate"):
    values = [row[value] for row in rows if value in row]
    return statistics.median(values) if values else None


def spread(rows, value="rate"):
    """Half of the distance between the highest and the lowest, of the median."""
    values = [row[value] for row in rows if value in row]
    middle = statistics.median(values) if values else 0
    return (max(values) - min(values)) / 2 / middle if middle else 0.0


def paired_ratios(ours, theirs, value="rate"):
    """Round by round, as the rounds of both were measured side by side."""
    by_round = {row["round"]: row[value] for row in theirs if value in row}
    return [
        row[value] / by_round[row["round"]]
        for row in ours
        if value in row and by_round.get(row["round"])
    ]
