# SPDX-License-Identifier: BSD-3-Clause
"""Starting and stopping whoever serves a configuration."""

import glob
import os
import subprocess

from . import scratch as scratching


class Unavailable(Exception):
    """The configuration cannot be had here; the text says why."""


def knows_options(path, options):
    shown = subprocess.run([path, "--help"], capture_output=True, text=True)
    return all(option in shown.stdout + shown.stderr for option in options)


class Server:
    """A mount of one configuration: .path is where to work, .source what is served."""

    def __init__(self, configuration, scratch, programs, where="small"):
        self.configuration = configuration
        self.scratch = scratch
        self.programs = programs
        self.source = scratch.directory(where, configuration.name)
        os.chmod(self.source, 0o755)
        self.path = self.source
        self.process = None

    def start(self):
        """Return: itself. Raises Unavailable."""
        configuration = self.configuration
        if configuration.kind == "native":
            return self
        program = self.programs.get(configuration.program)
        if not program or not os.access(program, os.X_OK):
            raise Unavailable(f"no program {configuration.program}")
        if not knows_options(program, configuration.needs):
            raise Unavailable(f"{configuration.program} has no option {' '.join(configuration.needs)}")
        if configuration.uring and not os.path.exists(scratching.URING_PARAMETER):
            raise Unavailable("the kernel has no FUSE over io_uring")
        self.path = self.scratch.directory("mnt", configuration.name)
        self._mount(program)
        return self

    # Others may switch the kernel's parameter meanwhile.
    def _mount(self, program, attempts=5):
        while True:
            attempts -= 1
            try:
                if self.configuration.uring:
                    self.scratch.enable_uring()
                return self._mount_once(program)
            except Unavailable:
                if not self.configuration.uring or attempts == 0:
                    raise
                self.stop()
            finally:
                self.scratch.restore_uring()

    def _mount_once(self, program):
        words = [word.format(source=self.source, mount=self.path) for word in self.configuration.command]
        log_path = os.path.join(self.scratch.directory("log"), self.configuration.name)
        with open(log_path, "w+") as log:
            self.process = subprocess.Popen([program] + words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self.scratch.processes.append(self.process)
            came = scratching.wait_until(lambda: self.process.poll() is not None or self.mounted(), 20)
            if not came or not self.mounted() or not self._answers():
                log.seek(0)
                raise Unavailable("it does not mount: " + " ".join(log.read().split())[-200:])
        if self.configuration.ring_thread and not self._has_thread(self.configuration.ring_thread):
            raise Unavailable("it does not use io_uring")

    def mounted(self):
        return any(point == self.path for _, point in scratching.mounts_below(self.path))

    def _answers(self):
        return subprocess.run(["timeout", "20", "stat", self.path], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL).returncode == 0

    def _has_thread(self, beginning):
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/comm"):
            with open(path) as comm:
                if comm.read().startswith(beginning):
                    return True
        return False

    def stop(self):
        if self.path != self.source and self.mounted():
            self.scratch.unmount(self.path)
        if self.process:
            scratching.end_process(self.process)
            self.scratch.processes.remove(self.process)
            self.process = None

    def restart(self):
        """The client's kernel forgets what it knew."""
        self.stop()
        return self.start()


class Fleet:
    """All configurations of a group, mounted at the same time, so that they can be measured in turn."""

    def __init__(self, names, scratch, programs, report, where="small"):
        from . import configurations
        self.servers = []
        for name in names:
            server = Server(configurations.find(name), scratch, programs, where)
            try:
                self.servers.append(server.start())
            except Unavailable as reason:
                server.stop()
                report.skip(name, str(reason))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.stop()

    def in_turn(self, number):
        """All of them, beginning with another one each time."""
        shift = number % len(self.servers) if self.servers else 0
        return self.servers[shift:] + self.servers[:shift]
