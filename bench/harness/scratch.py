# SPDX-License-Identifier: BSD-3-Clause
"""Directories and mounts of a run, and their end: whatever way the run ends, nothing is left."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

URING_PARAMETER = "/sys/module/fuse/parameters/enable_uring"


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


class Scratch:
    """A directory for everything that a run makes. To be used in a with statement."""

    def __init__(self, parent):
        self.top = os.path.realpath(tempfile.mkdtemp(prefix="fsbackend-bench.", dir=parent))
        os.chmod(self.top, 0o755)
        self.processes = []
        self.uring_before = None

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
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=75%,nr_inodes=0", "fsbackend-bench", path],
                       check=True)
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

    # FUSE over io_uring is a matter of the whole machine: it is on only as long as it takes to mount.

    def enable_uring(self):
        with open(URING_PARAMETER) as parameter:
            self.uring_before = parameter.read().strip()
        with open(URING_PARAMETER, "w") as parameter:
            parameter.write("Y")

    def restore_uring(self):
        if self.uring_before is not None:
            with open(URING_PARAMETER, "w") as parameter:
                parameter.write(self.uring_before)
        self.uring_before = None


def end_process(process):
    """A process of ours that should have ended with its mount."""
    for end in (lambda: None, process.terminate, process.kill):
        end()
        try:
            process.wait(10)
            return
        except subprocess.TimeoutExpired:
            pass
