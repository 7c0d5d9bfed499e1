# SPDX-License-Identifier: BSD-3-Clause
"""Directories and mounts of a run, and their end: whatever way the run ends, nothing is left."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

URING_PARAMETER = "/sys/module/fuse/parameters/enable_uring"
LOCK_SECONDS = 10


def mounts_below(top):
    """[(device number, mount point)] of what is mounted below a path, the last mounted first."""
    found = []
    with open("/proc/self/mountinfo") as table:
        for line in table:
            fields = line.split()
            if fields[4] == top or fields[4].startswith(top + "/"):
                found.append((fields[2], fields[4]))
    return found[::-1]


def abort_connection(device):
    """Let every request of a FUSE mount fail from now on; none waits for a server any more."""
    path = f"/sys/fs/fuse/connections/{device.split(':')[1]}/abort"
    if os.path.exists(path):
        with open(path, "w") as switch:
            switch.write("1")


def wait_until(condition, seconds):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def try_lock(file):
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Scratch:
    """A directory for everything that a run makes. To be used in a with statement."""

    def __init__(self, parent):
        self.top = os.path.realpath(tempfile.mkdtemp(prefix="fsbackend-bench.", dir=parent))
        os.chmod(self.top, 0o755)
        self.processes = []
        self.uring_switch = None
        self.uring_before = b""

    def __enter__(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda received, _: sys.exit(128 + received))
        return self

    def __exit__(self, *_):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        self.restore_uring()
        for _, point in mounts_below(self.top):
            self.unmount(point)
        for process in self.processes:
            end_process(process)
        if not mounts_below(self.top):
            shutil.rmtree(self.top, ignore_errors=True)

    def directory(self, *names):
        path = os.path.join(self.top, *names)
        os.makedirs(path, exist_ok=True)
        return path

    def mount_tmpfs(self, *names):
        path = self.directory(*names)
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=75%,nr_inodes=0", "fsbackend-bench", path],
            check=True,
        )
        os.chmod(path, 0o755)
        return path

    def unmount(self, point):
        """Orderly if that works within seconds, by force otherwise."""
        for _ in range(100):
            done = subprocess.run(["timeout", "20", "umount", point], stderr=subprocess.DEVNULL)
            if done.returncode == 0 or not any(p == point for _, p in mounts_below(point)):
                return
            time.sleep(0.05)
        for device, path in mounts_below(point):
            abort_connection(device)
            subprocess.run(["umount", "-l", path], stderr=subprocess.DEVNULL)

    # FUSE over io_uring is a matter of the whole machine: it is on only as long as it takes to
    # mount. Who else switches it, the tests do, holds the same lock.

    def enable_uring(self):
        """Return: whether it is on."""
        switch = open(URING_PARAMETER, "r+b", buffering=0)
        if not wait_until(lambda: try_lock(switch), LOCK_SECONDS):
            # Whoever holds it may hold it where it is wanted.
            return switch.read(1) == b"Y"
        self.uring_switch = switch
        self.uring_before = switch.read(1)
        os.pwrite(switch.fileno(), b"Y", 0)
        return True

    def restore_uring(self):
        if self.uring_switch is None:
            return
        os.pwrite(self.uring_switch.fileno(), self.uring_before, 0)
        self.uring_switch.close()
        self.uring_switch = None


def end_process(process):
    """A process of ours that should have ended with its mount."""
    for end in (lambda: None, process.terminate, process.kill):
        end()
        try:
            process.wait(10)
            return
        except subprocess.TimeoutExpired:
            pass
