"""The load generator: virtual users who repeat one operation against one server and verify every answer.

A process of its own, driven by run.py or by hand (``python -m bench.load --target FILE --operation sso``). It
prepares (signs in, fetches tokens), warms the server up, says ``ready``, waits for ``go`` if told to, runs,
and prints its result as one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from .operations import OPERATIONS, Operation
from .target import Target
from .virtual_user import EXPECTED_FAILURES, fetch_keys, make_user

MAX_ERRORS = 20


@dataclass
class LoadResult:
    """One measurement; ``elapsed`` ends with the last answer, so operations under way are counted in full."""

    operation: str
    count: int
    elapsed: float
    latencies_ms: list[float]
    requests_per_operation: float
    errors: int
    error_samples: list[str]
    refresh_id_token: bool
    load_generator_cpu_ms: float


class Worker:
    """A thread that repeats its virtual user's operation until the deadline."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.latencies: list[float] = []
        self.errors: list[str] = []

    def repeat_until(self, deadline: float) -> None:
        while (began := time.perf_counter()) < deadline and len(self.errors) < MAX_ERRORS:
            try:
                self.operation.run()
            except EXPECTED_FAILURES as error:
                self._recover(error)
            else:
                self.latencies.append((time.perf_counter() - began) * 1000)

    def _recover(self, error: Exception) -> None:
        self.errors.append(f"{type(error).__name__}: {error}")
        try:
            self.operation.prepare()
        except EXPECTED_FAILURES as second:
            self.errors.append(f"{type(second).__name__} while recovering: {second}")

    def reset(self) -> None:
        """Forget the warm-up's latencies; its errors count."""
        self.latencies = []


class Load:
    """Virtual users on one server, all at the same operation."""

    def __init__(self, target: Target, operation: str, users: int) -> None:
        self.name = operation
        keys = fetch_keys(target)
        self.workers = [
            Worker(OPERATIONS[operation](make_user(target, keys, number, users))) for number in range(users)
        ]

    def prepare(self, warm_up: float) -> None:
        in_threads([worker.operation.prepare for worker in self.workers])
        self._repeat(warm_up)
        for worker in self.workers:
            worker.reset()

    def run(self, seconds: float) -> LoadResult:
        cpu_before, requests_before = time.process_time(), self._requests()
        elapsed = self._repeat(seconds)
        latencies = [latency for worker in self.workers for latency in worker.latencies]
        errors = [error for worker in self.workers for error in worker.errors]
        tokens = getattr(self.workers[0].operation, "tokens", {})
        return LoadResult(
            operation=self.name,
            count=len(latencies),
            elapsed=elapsed,
            latencies_ms=[round(latency, 3) for latency in latencies],
            requests_per_operation=(self._requests() - requests_before) / max(1, len(latencies)),
            errors=len(errors),
            error_samples=sorted(set(errors))[:5],
            refresh_id_token="id_token" in tokens,
            load_generator_cpu_ms=(time.process_time() - cpu_before) * 1000,
        )

    def _requests(self) -> int:
        return sum(worker.operation.user.requests for worker in self.workers)

    def _repeat(self, seconds: float) -> float:
        began = time.perf_counter()
        in_threads([partial(worker.repeat_until, began + seconds) for worker in self.workers])
        return time.perf_counter() - began


def in_threads(functions: list[Callable[[], None]]) -> None:
    """Run all at once and wait; the first failure is raised here."""
    failures: list[BaseException] = []

    def guarded(function: Callable[[], None]) -> None:
        try:
            function()
        except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", type=Path, required=True, help="JSON file that describes the server")
    parser.add_argument("--operation", choices=OPERATIONS, required=True)
    parser.add_argument("--users", type=int, default=8, help="virtual users at once")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds of the same before")
    parser.add_argument(
        "--wait", action="store_true", help="say ready, then wait for a line on standard input"
    )
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    load = Load(Target.load(arguments.target), arguments.operation, arguments.users)
    try:
        load.prepare(arguments.warm_up)
    except EXPECTED_FAILURES as error:
        print(f"{arguments.operation} cannot be prepared: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    if arguments.wait:
        print("ready", flush=True)
        sys.stdin.readline()
    result = load.run(arguments.seconds)
    print(json.dumps(asdict(result)), flush=True)
    return 1 if result.errors or not result.count else 0


if __name__ == "__main__":
    sys.exit(main())
