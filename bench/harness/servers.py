# SPDX-License-Identifier: BSD-3-Clause
"""Starting and stopping whoever serves a configuration."""

import glob
import os
import subprocess

from . import configurations
from . import scratch as scratching


class Unavailable(Exception):
    """The configuration cannot be had here; the text says why."""


def knows_options(path, options):
    shown = subprocess.run([path, "--help"], capture_output=True, text=True)
    return all(option in shown.stdout + shown.stderr for option in options)


class Server:
    """A mount of one configuration: .path is where to work, .source what is served."""

    def __init__(self, configuration, scratch, programs, source=None):
        self.configuration = configuration
        self.scratch = scratch
        self.programs = programs
        self.source = source or scratch.directory("small", configuration.name)
        os.chmod(self.source, 0o755)
        self.path = self.source
        self.process = None  # that mounts
        self.beside = None

    def start(self):
        """Return: itself. Raises Unavailable."""
        configuration = self.configuration
        if configuration.kind == "native":
            return self
        program = self._program(configuration.program)
        if not knows_options(program, configuration.needs):
            raise Unavailable(
                f"{configuration.program} has no option {' '.join(configuration.needs)}"
            )
        if configuration.uring and not os.path.exists(scratching.URING_PARAMETER):
            raise Unavailable("the kernel has no FUSE over io_uring")
        self.path = self.scratch.directory("mnt", configuration.name)
        self._mount(program)
        return self

    def _program(self, name):
        program = self.programs.get(name)
        if not program or not os.access(program, os.X_OK):
            raise Unavailable(f"no program {name}")
        return program

    def _mount(self, program):
        try:
            if self.configuration.uring and not self.scratch.enable_uring():
                raise Unavailable("FUSE over io_uring is switched off, and the switch is held")
            self._mount_once(program)
        finally:
            self.scratch.restore_uring()

    def _mount_once(self, program):
        log_path = os.path.join(self.scratch.directory("log"), self.configuration.name)
        with open(log_path, "w+") as log:
            if self.configuration.beside:
                self._start_beside(log)
            self.process = self._spawn(program, self.configuration.command, log)
            came = scratching.wait_until(
                lambda: self.process.poll() is not None or self.mounted(), 20
            )
            if not came or not self.mounted() or not self._answers():
                log.seek(0)
                raise Unavailable("it does not mount: " + " ".join(log.read().split())[-200:])
        if self.configuration.ring_thread and not self._has_thread(self.configuration.ring_thread):
            raise Unavailable("it does not use io_uring")

    def _spawn(self, program, command, log):
        words = [
            word.format(source=self.source, mount=self.path, socket=self._socket())
            for word in command
        ]
        process = subprocess.Popen(
            [program] + words, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        self.scratch.processes.append(process)
        return process

    def _socket(self):
        return os.path.join(self.scratch.directory("log"), self.configuration.name + ".socket")

    def _start_beside(self, log):
        self.beside = self._spawn(
            self._program(self.configuration.beside_program), self.configuration.beside, log
        )
        if not scratching.wait_until(lambda: os.path.exists(self._socket()), 10):
            raise Unavailable(f"{self.configuration.beside_program} does not listen")

    def mounted(self):
        return any(point == self.path for _, point in scratching.mounts_below(self.path))

    def _answers(self):
        return (
            subprocess.run(
                ["timeout", "20", "stat", self.path],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ).returncode
            == 0
        )

    def _has_thread(self, beginning):
        for path in glob.glob(f"/proc/{self.process.pid}/task/*/comm"):
            with open(path) as comm:
                if comm.read().startswith(beginning):
                    return True
        return False

    def stop(self):
        if self.path != self.source and self.mounted():
            self.scratch.unmount(self.path)
        if self.beside:
            self.beside.terminate()
        for process in (self.process, self.beside):
            if process:
                scratching.end_process(process)
                self.scratch.processes.remove(process)
        self.process = self.beside = None

    def restart(self):
        """The client's kernel forgets what it knew."""
        self.stop()
        return self.start()


class Fleet:
    """All configurations of a group, mounted at the same time, so that they can be measured in turn."""

    def __init__(self, names, settings, report, source=None):
        self.servers = []
        for name in names:
            if name not in settings.configurations:
                continue
            server = Server(configurations.find(name), settings.scratch, settings.programs, source)
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
