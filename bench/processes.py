"""Child processes: started so that none outlives the benchmark, and read through /proc (Linux only)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024.0


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why."""


@dataclass(frozen=True)
class Memory:
    """In MiB: proportional set size (shared pages divided among their users) and private pages alone."""

    pss: float
    private: float


class Child(AbstractContextManager["Child"]):
    """A process in a session of its own; leaving the context ends it and whatever it started."""

    def __init__(
        self,
        arguments: list[str],
        log: Path,
        *,
        environment: dict[str, str] | None = None,
        directory: Path | None = None,
        user: str | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        self.log, self.stop_signal = log, stop_signal
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*guard(stop_signal, user), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                cwd=directory,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def wait_until(self, is_ready: Callable[[], bool], seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self.process.poll() is not None:
                raise BenchmarkError(f"it ended with status {self.process.returncode}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise BenchmarkError(f"it was not ready after {seconds:.0f} s:\n{self.log_tail()}")
            time.sleep(0.05)

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def __exit__(self, *exception: object) -> None:
        with suppress(ProcessLookupError):
            self.process.send_signal(self.stop_signal)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=10)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()


def guard(death_signal: signal.Signals, user: str | None = None) -> list[str]:
    """A prefix for a command: it gets that signal if the benchmark dies first, and runs as that user."""
    prefix = ["setpriv", "--pdeathsig", death_signal.name.removeprefix("SIG")]
    if user is not None:
        prefix += ["--reuid", user, "--regid", user, "--clear-groups"]
    return [*prefix, "--"]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def process_tree(root: int) -> list[int]:
    """A process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for pid in all_pids():
        with suppress(OSError):
            children.setdefault(int(stat_fields(pid)[1]), []).append(pid)
    tree = [root]
    for pid in tree:
        tree += children.get(pid, [])
    return tree


def all_pids() -> Iterable[int]:
    return (int(entry) for entry in os.listdir("/proc") if entry.isdigit())


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on: the name before may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(root: int) -> float:
    """User and system time of a tree, of its ended and reaped children too."""
    ticks = 0
    for pid in process_tree(root):
        with suppress(OSError):
            ticks += sum(int(value) for value in stat_fields(pid)[11:15])  # utime, stime, cutime, cstime
    return ticks / TICKS


def machine_cpu_seconds() -> float:
    """Time all cores have spent busy, or taken by the machine's host."""
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = Path("/proc/stat").read_text().split()[1:]
    return sum(int(value) for value in (user, nice, system, irq, softirq, steal)) / TICKS


def memory_of(pids: Iterable[int]) -> Memory:
    pss = private = 0
    for pid in pids:
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
            sizes = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines)}
            pss += sizes["Pss"]
            private += sizes["Private_Clean"] + sizes["Private_Dirty"]
    return Memory(pss / MIB, private / MIB)


def command_line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""
