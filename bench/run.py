"""The benchmark's conductor: ``python -m bench.run``.

Starts bare Authlib and idprotect side by side on loopback, each on a fresh database, lets the load generator
repeat every operation on both in turn, and reads CPU and memory from /proc. Ends what it started, always.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that ``python bench/run.py`` works too

from bench.databases import Databases, open_databases  # noqa: E402
from bench.processes import BenchmarkError, guard, machine_cpu_seconds  # noqa: E402
from bench.report import TITLES, Measurement, MemoryReading, Results, Slice  # noqa: E402
from bench.servers import CHEAPEST_HASHING, FULL_HASHING, SERVERS, Hashing, Server, Setup  # noqa: E402
from bench.target import Seed, make_seed  # noqa: E402

DEFAULT_OPERATIONS = ["sign_in", "sign_in_unhashed", "sso", "refresh"]
CONFIDENTIAL_ONLY = {"client_credentials", "introspection"}
PREPARATION_SECONDS = 60


@dataclass(frozen=True)
class Phase:
    """Operations measured on the same pair of servers, because they hash passwords at the same cost."""

    name: str
    hashing: Hashing
    operations: list[str]


@dataclass(frozen=True)
class Readings:
    """Clocks at one moment, in seconds."""

    wall: float
    server: float
    database: float
    machine: float

    @classmethod
    def take(cls, server: Server, databases: Databases) -> Readings:
        return cls(time.monotonic(), server.cpu_seconds(), databases.cpu_seconds(), machine_cpu_seconds())


class Benchmark:
    """One run over all databases, phases, rounds, operations and servers."""

    def __init__(self, options: argparse.Namespace, directory: Path) -> None:
        self.options, self.directory = options, directory
        self.seed: Seed = make_seed(options.accounts)
        self.results = Results(describe(options))

    def run(self) -> Results:
        for kind in self.options.database:
            folder = self.directory / kind
            folder.mkdir()
            with open_databases(kind, folder) as databases:
                for phase in phases(self.options.operations):
                    self.run_phase(databases, phase, folder)
        return self.results

    def run_phase(self, databases: Databases, phase: Phase, folder: Path) -> None:
        with ExitStack() as stack:
            servers = [
                stack.enter_context(self.start(name, databases, phase, folder))
                for name in self.options.servers
            ]
            for number in range(self.options.rounds):
                order = servers if number % 2 == 0 else servers[::-1]
                for operation in phase.operations:
                    for server in order:
                        self.measure(server, databases, operation)
            for server in servers:
                reading = MemoryReading(
                    database=databases.kind,
                    hashing=phase.name,
                    server=server.name,
                    workers=server.memory(),
                    database_processes=databases.memory(database_name(server.name, phase)),
                )
                self.results.memory.append(reading)

    def start(self, name: str, databases: Databases, phase: Phase, folder: Path) -> Server:
        log(f"{databases.kind}: setting up {name} ({phase.name} hashing)")
        directory = folder / f"{name}-{phase.name}"
        directory.mkdir()
        setup = Setup(
            database_url=databases.create(database_name(name, phase)),
            directory=directory,
            hashing=phase.hashing,
            seed=self.seed,
            public_client=self.options.client == "public",
            refresh_id_token=self.options.refresh_id_token,
        )
        return SERVERS[name](setup)

    def measure(self, server: Server, databases: Databases, operation: str) -> None:
        measurement = self.results.find(databases.kind, operation, server.name)
        if measurement is None:
            measurement = Measurement(databases.kind, operation, server.name)
            self.results.measurements.append(measurement)
        part = self.measure_slice(server, databases, operation)
        measurement.slices.append(part)
        log(
            f"{databases.kind}: {TITLES[operation]}, {server.name}: {part.count / part.elapsed:.1f}/s, "
            f"{part.cpu_ms:.2f} ms CPU"
            + (f", {part.errors} ERRORS: {part.error_samples}" if part.errors else "")
        )

    def measure_slice(self, server: Server, databases: Databases, operation: str) -> Slice:
        """One load process: its preparation and warm-up lie outside what is read."""
        target = self.directory / "target.json"
        server.target.save(target)
        command = [sys.executable, "-m", "bench.load", "--wait", "--target", str(target)]
        command += ["--operation", operation.removesuffix("_unhashed"), "--users", str(self.options.users)]
        command += ["--seconds", str(self.options.seconds), "--warm-up", str(self.options.warm_up)]
        with subprocess.Popen(
            [*guard(signal.SIGTERM), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as load:
            try:
                return self._converse(load, server, databases, operation)
            finally:
                load.kill()

    def _converse(
        self, load: subprocess.Popen[str], server: Server, databases: Databases, operation: str
    ) -> Slice:
        assert load.stdin and load.stdout and load.stderr
        if read_line(load.stdout, PREPARATION_SECONDS + self.options.warm_up) != "ready":
            load.kill()
            message = f"{server.name} on {databases.kind}, {operation}:\n{load.stderr.read()}"
            raise BenchmarkError(f"{message}\nits log ends:\n{server.child.log_tail()}")
        before = Readings.take(server, databases)
        load.stdin.write("go\n")
        load.stdin.flush()
        answer = read_line(load.stdout, self.options.seconds + PREPARATION_SECONDS)
        time.sleep(0.05)  # the last answers' connections are still being wound up
        after = Readings.take(server, databases)
        if not answer:
            raise BenchmarkError(f"the load generator broke off:\n{load.stderr.read()}")
        return make_slice(json.loads(answer), before, after)


def make_slice(result: dict[str, Any], before: Readings, after: Readings) -> Slice:
    del result["operation"]
    server, database = after.server - before.server, after.database - before.database
    ours = server + database + result["load_generator_cpu_ms"] / 1000
    others = max(0.0, after.machine - before.machine - ours)
    share = min(1.0, others / ((after.wall - before.wall) * (os.cpu_count() or 1)))
    return Slice(server_cpu=server, database_cpu=database, others_share=share, **result)


def read_line(stream: IO[str], seconds: float) -> str:
    """The next line without its end, or an empty string if none comes in time."""
    ready, _, _ = select.select([stream], [], [], seconds)
    return stream.readline().strip() if ready else ""


def database_name(server: str, phase: Phase) -> str:
    return f"{server}_{phase.name}"


def phases(operations: list[str]) -> list[Phase]:
    """The full sign-in is measured with real hashing, everything else with the cheapest."""
    hashed = [name for name in operations if name == "sign_in"]
    others = [name for name in operations if name != "sign_in"]
    both = [Phase("full", FULL_HASHING, hashed), Phase("cheapest", CHEAPEST_HASHING, others)]
    return [phase for phase in both if phase.operations]


def time_limit(options: argparse.Namespace) -> int:
    """Seconds after which the run is given up: every slice and every set-up at their slowest plausible."""
    slices = len(options.database) * len(options.operations) * len(options.servers) * options.rounds
    setups = len(options.database) * 2 * len(options.servers)
    return int(slices * (options.seconds + options.warm_up + 30) + setups * 120 + 60)


def describe(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "virtual users": options.users,
        "accounts": options.accounts,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "client": options.client,
        "full hashing": str(FULL_HASHING),
    }


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", choices=["sqlite", "postgresql", "both"], default="both")
    parser.add_argument("--only", choices=SERVERS, help="one server alone")
    parser.add_argument(
        "--operations",
        default=",".join(DEFAULT_OPERATIONS),
        help=f"comma-separated, or all: {', '.join(TITLES)} (default: %(default)s)",
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="each slice (default: %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=4, help="slices per operation and server (default: %(default)s)"
    )
    parser.add_argument(
        "--warm-up", type=float, default=1.0, help="seconds before each slice (default: %(default)s)"
    )
    parser.add_argument("--users", type=int, default=8, help="virtual users at once (default: %(default)s)")
    parser.add_argument(
        "--accounts", type=int, default=32, help="accounts they sign in to (default: %(default)s)"
    )
    parser.add_argument("--client", choices=["confidential", "public"], default="confidential")
    parser.add_argument(
        "--refresh-id-token", action="store_true", help="bare signs an ID token on refresh too"
    )
    parser.add_argument(
        "--output", type=Path, default=ROOT / "bench", help="folder for results.md and results.json"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the temporary folder with logs and databases"
    )
    options = parser.parse_args()
    options.operations = list(TITLES) if options.operations == "all" else options.operations.split(",")
    if unknown := set(options.operations) - set(TITLES):
        parser.error(f"unknown operations: {', '.join(sorted(unknown))}")
    if options.client == "public" and (secret := CONFIDENTIAL_ONLY & set(options.operations)):
        parser.error(f"a public client cannot do {', '.join(sorted(secret))}")
    options.database = ["sqlite", "postgresql"] if options.database == "both" else [options.database]
    options.servers = [options.only] if options.only else list(SERVERS)
    return options


def give_up(number: int, frame: object) -> None:
    reason = "the time limit is reached" if number == signal.SIGALRM else "told to stop"
    raise BenchmarkError(reason)


def main() -> int:
    options = parse_arguments()
    signal.signal(signal.SIGTERM, give_up)
    signal.signal(signal.SIGALRM, give_up)
    signal.alarm(time_limit(options))
    directory = Path(tempfile.mkdtemp(prefix="idprotect-bench-"))
    directory.chmod(0o711)  # PostgreSQL runs as another user and must get through to its own folder
    benchmark = Benchmark(options, directory)
    try:
        results = benchmark.run()
    except (BenchmarkError, OSError, subprocess.SubprocessError) as error:
        log(f"\nFAILED: {error}")
        return 2
    except KeyboardInterrupt:
        return 130
    finally:
        signal.alarm(0)
        if options.keep:
            log(f"kept {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return write(results, options.output)


def write(results: Results, folder: Path) -> int:
    markdown = results.as_markdown()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(markdown)
    (folder / "results.json").write_text(results.as_json())
    print(markdown)
    if results.errors:
        log(f"FAILED: {results.errors} wrong answers; see the warnings above")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
