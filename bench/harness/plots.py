# SPDX-License-Identifier: BSD-3-Clause
"""SVG plots of a run, by matplotlib (Debian: python3-matplotlib)."""

import os

from . import statistics_of as stats
from .table import ordered

# Of many configurations those that tell the story, each always in its colour.
SHOWN = {
    "native": "#888888",
    "classic": "#9ecae1",
    "uring": "#2171b5",
    "passthrough-auto": "#08306b",
    "server": "#6a51a3",
    "hp": "#fdae6b",
    "hp-uring": "#e6550d",
    "ll": "#a1d99b",
    "ll-uring": "#31a354",
    "stream": "#000000",
}
EXTRA_COLOURS = ("#bcbd22", "#17becf", "#e377c2", "#8c564b")


def colour(config):
    return SHOWN.get(config) or EXTRA_COLOURS[sum(config.encode()) % len(EXTRA_COLOURS)]


def finish(figure, path, pyplot):
    figure.tight_layout()
    # Without dates and random ids the same figures make the same file.
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
    return os.path.basename(path)


def shown(rows):
    return [config for config in SHOWN if any(row["config"] == config for row in rows)]


def bars_of_operations(rows, path, pyplot):
    """Rates at two threads, by those of the directory itself."""
    rows = stats.select(rows, group="operations", threads=2)
    operations = ordered(row["op"] for row in rows)
    configs = [config for config in shown(rows) if config != "native"]
    if not operations or not configs or not stats.select(rows, config="native"):
        return None
    figure, axes = pyplot.subplots(figsize=(11, 5))
    width = 0.8 / len(configs)
    for i, config in enumerate(configs):
        heights = []
        for op in operations:
            mine = stats.median(stats.select(rows, op=op, config=config))
            native = stats.median(stats.select(rows, op=op, config="native"))
            heights.append(mine / native if mine and native else 0)
        axes.bar(
            [x + i * width for x in range(len(operations))],
            heights,
            width,
            label=config,
            color=colour(config),
        )
    axes.set_yscale("log")
    axes.axhline(1, color=SHOWN["native"], linewidth=0.8)
    axes.set_xticks([x + 0.4 for x in range(len(operations))], operations, rotation=35, ha="right")
    axes.set_ylabel("rate, of the directory itself = 1")
    axes.set_title("Operations, 2 client threads")
    axes.legend(ncols=4, fontsize=8)
    return finish(figure, path, pyplot)


def lines_by_threads(rows, path, pyplot):
    """Rates by client threads, a small picture an operation."""
    rows = stats.select(rows, group="operations")
    operations = [
        op
        for op in ordered(row["op"] for row in rows)
        if len({row["threads"] for row in stats.select(rows, op=op)}) > 1
    ]
    threads = sorted({row["threads"] for row in rows})
    configs = [config for config in shown(rows) if config != "native"]
    if not operations or not configs:
        return None
    columns = 4
    lines = -(-len(operations) // columns)
    figure, grid = pyplot.subplots(lines, columns, figsize=(12, 2.4 * lines), squeeze=False)
    for axes, op in zip(grid.flat, operations):
        for config in configs:
            heights = [
                stats.median(stats.select(rows, op=op, config=config, threads=count))
                for count in threads
            ]
            points = [(count, height / 1000) for count, height in zip(threads, heights) if height]
            axes.plot(
                [p[0] for p in points],
                [p[1] for p in points],
                marker=".",
                label=config,
                color=colour(config),
            )
        axes.set_title(op, fontsize=9)
        axes.set_ylim(bottom=0)
        axes.set_xticks(threads)
        axes.tick_params(labelsize=7)
    for axes in list(grid.flat)[len(operations) :]:
        axes.axis("off")
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="lower right", ncols=4, fontsize=8)
    figure.supxlabel("client threads", fontsize=9)
    figure.supylabel("thousand a second", fontsize=9)
    return finish(figure, path, pyplot)


def bars_of_data(rows, path, pyplot):
    rows = stats.select(rows, group="data")
    jobs = ordered(row["op"] for row in rows)
    configs = [config for config in ordered(row["config"] for row in rows) if config != "native"]
    if not jobs or not stats.select(rows, config="native"):
        return None
    figure, axes = pyplot.subplots(figsize=(11, 5))
    width = 0.8 / max(len(configs), 1)
    for i, config in enumerate(configs):
        heights = []
        for job in jobs:
            mine = stats.median(stats.select(rows, op=job, config=config), "bytes_a_second")
            native = stats.median(stats.select(rows, op=job, config="native"), "bytes_a_second")
            heights.append(mine / native if mine and native else 0)
        axes.bar(
            [x + i * width for x in range(len(jobs))],
            heights,
            width,
            label=config,
            color=colour(config),
        )
    axes.axhline(1, color=SHOWN["native"], linewidth=0.8)
    axes.set_yscale("log")
    axes.set_xticks([x + 0.4 for x in range(len(jobs))], jobs, rotation=25, ha="right", fontsize=8)
    axes.set_ylabel("bytes a second, of the directory itself = 1")
    axes.set_title("A large file")
    axes.legend(ncols=5, fontsize=8)
    return finish(figure, path, pyplot)


def line_of_growth(rows, group, by, value, scale, labels, path, pyplot):
    """@value / @scale by @by, a line a configuration."""
    rows = stats.select(rows, group=group)
    if not rows:
        return None
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for config in ordered(row["config"] for row in rows):
        mine = stats.select(rows, config=config)
        places = sorted({by(row) for row in mine})
        heights = [
            stats.median([row for row in mine if by(row) == place], value) / scale
            for place in places
        ]
        axes.plot(
            [max(place, 0.5) for place in places],
            heights,
            marker=".",
            label=config,
            color=colour(config),
        )
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend(fontsize=8)
    return finish(figure, path, pyplot)


def draw(rows, directory):
    """Return: {what: file name}, or None when matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "fsbackend"
    from matplotlib import pyplot

    def to(name):
        return os.path.join(directory, name)

    drawn = {
        "operations": bars_of_operations(rows, to("operations.svg"), pyplot),
        "threads": lines_by_threads(rows, to("threads.svg"), pyplot),
        "data": bars_of_data(rows, to("data.svg"), pyplot),
        "inodes": line_of_growth(
            rows,
            "inodes",
            lambda row: row["count"],
            "mean_ns",
            1000,
            ("files in the tree", "us an entry, walking"),
            to("inodes.svg"),
            pyplot,
        ),
        "groups": line_of_growth(
            rows,
            "groups",
            lambda row: row["groups"],
            "p50_ns",
            1000,
            ("supplementary groups of the caller (0 at 0.5)", "us an open+close"),
            to("groups.svg"),
            pyplot,
        ),
    }
    return {what: name for what, name in drawn.items() if name}
