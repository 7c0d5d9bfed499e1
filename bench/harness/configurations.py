# SPDX-License-Identifier: BSD-3-Clause
"""Who serves: a table, a row a configuration.

A command is a list of words, in which {source}, {mount} and the names of programs are filled in.
"""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Configuration:
    name: str
    kind: str  # native, floor, ours or peer
    what: str
    command: tuple = ()
    program: str = ""  # whose path the command begins with
    uring: bool = False  # has to be mounted while the kernel offers FUSE over io_uring
    needs: tuple = ()  # options that the program's --help has to know
    ring_thread: str = ""  # a thread of that name shows that it really goes by io_uring
    passes_through: bool = False  # file data does not go by the server
    beside: tuple = ()  # a second program's command, started first; it makes {socket}
    beside_program: str = ""


def ours(name, what, *options, uring=False, needs=(), passes_through=False):
    return Configuration(
        name,
        "ours",
        what,
        ("-f",) + options + ("{source}", "{mount}"),
        "fsbackend-mount",
        uring,
        needs,
        passes_through=passes_through,
    )


def null(name, what, io, spin, uring=False):
    return Configuration(
        name,
        "floor",
        what,
        (f"--io={io}", f"--spin={spin}", "--threads=1", "{mount}"),
        "bench-null",
        uring,
    )


def raw(name, what, io, spin, uring=False):
    return Configuration(
        name, "floor", what, (f"--io={io}", f"--spin={spin}", "{mount}"), "bench-raw", uring
    )


def hp(name, what, *options, uring=False, passes_through=False):
    return Configuration(
        name,
        "peer",
        what,
        ("{source}", "{mount}", "--foreground") + options,
        "passthrough_hp",
        uring,
        ring_thread="fuse-ring" if uring else "",
        passes_through=passes_through,
    )


def ll(name, what, mount_options, uring=False):
    return Configuration(
        name,
        "peer",
        what,
        ("-f", "-o", "source={source}," + mount_options, "{mount}"),
        "passthrough_ll",
        uring,
        ring_thread="fuse-ring" if uring else "",
    )


def stream(name, what, *options):
    return Configuration(
        name,
        "ours",
        what,
        ("-f",) + options + ("unix:{socket}", "{mount}"),
        "fsbackend-attach",
        beside=("--listen=unix:{socket}", "{source}"),
        beside_program="fsbackend-serve",
    )


OFF = "--passthrough=off"
PASSTHROUGH = ("--passthrough",)

CONFIGURATIONS = (
    Configuration("native", "native", "the directory itself"),
    null(
        "null-classic",
        "the server with a file system that answers from memory, by the device",
        "classic",
        50,
    ),
    null("null-classic-nospin", "the same without spinning", "classic", 0),
    null("null-uring", "the same by io_uring", "uring", 50, uring=True),
    null("null-uring-nospin", "the same by io_uring without spinning", "uring", 0, uring=True),
    raw(
        "raw-classic",
        "a loop that reads the device and writes an answer it has ready",
        "classic",
        50,
    ),
    raw("raw-uring", "the same by io_uring", "uring", 50, uring=True),
    ours("classic", "fsbackend-mount, by the device", "--io=classic", OFF, needs=PASSTHROUGH),
    ours(
        "classic-nospin",
        "the same without spinning",
        "--io=classic",
        "--spin=0",
        OFF,
        needs=PASSTHROUGH,
    ),
    ours("uring", "by io_uring", "--io=uring", OFF, uring=True, needs=PASSTHROUGH),
    ours(
        "uring-nospin",
        "by io_uring without spinning",
        "--io=uring",
        "--spin=0",
        OFF,
        uring=True,
        needs=PASSTHROUGH,
    ),
    ours(
        "server",
        "by io_uring, the server judges permissions",
        "--io=uring",
        "--permissions=server",
        OFF,
        uring=True,
        needs=PASSTHROUGH,
    ),
    ours(
        "server-nochecks",
        "the same without checks of the client",
        "--io=uring",
        "--permissions=server",
        "--no-client-checks",
        OFF,
        uring=True,
        needs=PASSTHROUGH,
    ),
    ours(
        "noopen",
        "by io_uring, files and directories are not opened",
        "--io=uring",
        "--no-open",
        "--no-opendir",
        OFF,
        uring=True,
        needs=PASSTHROUGH,
    ),
    ours(
        "writeback",
        "by io_uring, the kernel collects writes",
        "--io=uring",
        "--writeback",
        uring=True,
    ),
    ours(
        "passthrough",
        "by io_uring, data past the server",
        "--io=uring",
        "--passthrough=on",
        uring=True,
        needs=PASSTHROUGH,
        passes_through=True,
    ),
    ours(
        "passthrough-direct",
        "the same, O_DIRECT to the file",
        "--io=uring",
        "--passthrough=on",
        "--direct-io",
        uring=True,
        needs=PASSTHROUGH,
        passes_through=True,
    ),
    ours(
        "passthrough-auto",
        "by io_uring, data past the server where that pays",
        "--io=uring",
        "--passthrough=auto",
        uring=True,
        needs=PASSTHROUGH,
        passes_through=True,
    ),
    ours(
        "classic-passthrough",
        "by the device, data past the server",
        "--io=classic",
        "--passthrough=on",
        needs=PASSTHROUGH,
        passes_through=True,
    ),
    stream("stream", "fsbackend-serve and fsbackend-attach, over a Unix socket"),
    stream("stream-2", "the same with two connections", "--connections=2"),
    hp("hp", "libfuse's passthrough_hp", "-o", "allow_other", passes_through=True),
    hp(
        "hp-uring",
        "the same by io_uring",
        "-o",
        "allow_other,io_uring",
        uring=True,
        passes_through=True,
    ),
    hp(
        "hp-nopassthrough",
        "passthrough_hp --nopassthrough (writeback)",
        "--nopassthrough",
        "-o",
        "allow_other",
    ),
    hp(
        "hp-nopassthrough-uring",
        "the same by io_uring",
        "--nopassthrough",
        "-o",
        "allow_other,io_uring",
        uring=True,
    ),
    ll("ll", "libfuse's passthrough_ll", "allow_other,default_permissions,xattr"),
    ll(
        "ll-uring",
        "the same by io_uring",
        "allow_other,default_permissions,xattr,io_uring",
        uring=True,
    ),
)


def find(name):
    for configuration in CONFIGURATIONS:
        if configuration.name == name:
            return configuration
    raise KeyError(name)
