"""Turns measurements into the table on standard output, results.md and results.json."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .processes import Memory

#: The most CPU idprotect may spend, as a share of the bare server's; performance-notes of issue 2.
GOALS = {
    "sign_in_unhashed": 0.7,
    "sso": 0.6,
    "refresh": 0.5,
    "client_credentials": 0.5,
    "introspection": 0.5,
    "userinfo": 0.5,
    "discovery": 0.3,
}
#: The share of the machine's cores that other processes may take before the report says so.
QUIET = 0.1
TITLES = {
    "sign_in": "full sign-in",
    "sign_in_unhashed": "full sign-in, hashing aside",
    "sso": "SSO authorization + code",
    "refresh": "refresh with rotation",
    "client_credentials": "client credentials",
    "introspection": "introspection",
    "userinfo": "userinfo",
    "discovery": "discovery document",
}
PACKAGES = [
    "authlib",
    "flask",
    "flask-sqlalchemy",
    "sqlalchemy",
    "gunicorn",
    "argon2-cffi",
    "psycopg",
    "joserfc",
]


@dataclass(frozen=True)
class Slice:
    """One round of one operation on one server."""

    count: int
    elapsed: float
    server_cpu: float
    database_cpu: float
    latencies_ms: list[float]
    requests_per_operation: float
    refresh_id_token: bool
    load_generator_cpu_ms: float
    others_share: float
    errors: int = 0
    error_samples: list[str] = field(default_factory=list)

    @property
    def cpu_ms(self) -> float:
        return (self.server_cpu + self.database_cpu) * 1000 / max(1, self.count)


@dataclass
class Measurement:
    """All rounds of one operation on one server and database."""

    database: str
    operation: str
    server: str
    slices: list[Slice] = field(default_factory=list)

    @property
    def count(self) -> int:
        return sum(part.count for part in self.slices)

    @property
    def errors(self) -> int:
        return sum(part.errors for part in self.slices)

    @property
    def error_samples(self) -> list[str]:
        return sorted({sample for part in self.slices for sample in part.error_samples})[:5]

    @property
    def per_second(self) -> float:
        return self.count / sum(part.elapsed for part in self.slices)

    @property
    def server_cpu_ms(self) -> float:
        return sum(part.server_cpu for part in self.slices) * 1000 / max(1, self.count)

    @property
    def database_cpu_ms(self) -> float:
        return sum(part.database_cpu for part in self.slices) * 1000 / max(1, self.count)

    @property
    def cpu_ms(self) -> float:
        return self.server_cpu_ms + self.database_cpu_ms

    def percentile(self, percent: int) -> float:
        latencies = [latency for part in self.slices for latency in part.latencies_ms]
        if len(latencies) < 2:
            return latencies[0] if latencies else 0.0
        return statistics.quantiles(latencies, n=100, method="inclusive")[percent - 1]

    def summary(self) -> dict[str, Any]:
        return {
            "database": self.database,
            "operation": self.operation,
            "server": self.server,
            "operations": self.count,
            "per_second": round(self.per_second, 2),
            "cpu_ms": round(self.cpu_ms, 3),
            "server_cpu_ms": round(self.server_cpu_ms, 3),
            "database_cpu_ms": round(self.database_cpu_ms, 3),
            "p50_ms": round(self.percentile(50), 2),
            "p95_ms": round(self.percentile(95), 2),
            "requests_per_operation": round(self.slices[-1].requests_per_operation, 2),
            "refresh_id_token": self.slices[-1].refresh_id_token,
            "load_generator_cpu_ms": round(
                sum(s.load_generator_cpu_ms for s in self.slices) / max(1, self.count), 3
            ),
            "others_share_by_round": [round(part.others_share, 3) for part in self.slices],
            "cpu_ms_by_round": [round(part.cpu_ms, 3) for part in self.slices],
            "errors": self.errors,
            "error_samples": self.error_samples,
        }


@dataclass(frozen=True)
class MemoryReading:
    """Memory of one server's workers after its load, and of the database processes that serve it."""

    database: str
    hashing: str
    server: str
    workers: Memory
    database_processes: Memory | None


@dataclass
class Results:
    options: dict[str, Any]
    measurements: list[Measurement] = field(default_factory=list)
    memory: list[MemoryReading] = field(default_factory=list)
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))

    @property
    def errors(self) -> int:
        return sum(measurement.errors for measurement in self.measurements)

    def find(self, database: str, operation: str, server: str) -> Measurement | None:
        wanted = (database, operation, server)
        return next((m for m in self.measurements if (m.database, m.operation, m.server) == wanted), None)

    def ratios(self) -> list[dict[str, Any]]:
        """idprotect's CPU as a share of the bare server's, beside the goal: the median of the rounds."""
        rows = []
        for bare in (measurement for measurement in self.measurements if measurement.server == "bare"):
            ours = self.find(bare.database, bare.operation, "idprotect")
            if ours is None or not all(part.count and part.cpu_ms for part in bare.slices + ours.slices):
                continue
            by_round = [us.cpu_ms / them.cpu_ms for us, them in zip(ours.slices, bare.slices, strict=True)]
            ratio, goal = statistics.median(by_round), GOALS.get(bare.operation)
            rows.append(
                {
                    "database": bare.database,
                    "operation": bare.operation,
                    "ratio": round(ratio, 3),
                    "ratio_by_round": [round(value, 3) for value in by_round],
                    "ratio_without_database": round(ours.server_cpu_ms / bare.server_cpu_ms, 3),
                    "throughput": round(ours.per_second / bare.per_second, 2),
                    "goal": goal,
                    "met": None if goal is None else ratio <= goal,
                }
            )
        return rows

    def as_json(self) -> str:
        content = {
            "started": self.started,
            "environment": environment(),
            "options": self.options,
            "measurements": [measurement.summary() for measurement in self.measurements],
            "ratios": self.ratios(),
            "memory": [asdict(reading) for reading in self.memory],
        }
        return json.dumps(content, indent=2) + "\n"

    def as_markdown(self) -> str:
        parts = [self._heading(), self._measurement_table(), self._ratio_table(), self._memory_table()]
        return "\n\n".join(part for part in [*parts, self._warnings()] if part) + "\n"

    def _heading(self) -> str:
        facts = environment()
        packages = ", ".join(f"{name} {number}" for name, number in facts["packages"].items())
        options = ", ".join(f"{name} {value}" for name, value in self.options.items())
        return (
            f"# Benchmark of {self.started}\n\n"
            f"{facts['cores']} cores, Python {facts['python']}; {packages}.\n\nOptions: {options}.\n\n"
            "CPU is user and system time of all the server's processes per operation, PostgreSQL's included; "
            "its share stands beside it. Only ratios within one run mean anything."
        )

    def _measurement_table(self) -> str:
        head = [
            "database",
            "operation",
            "server",
            "ops/s",
            "CPU ms/op",
            "of it PostgreSQL",
            "p50 ms",
            "p95 ms",
        ]
        rows = [
            [
                m.database,
                TITLES[m.operation],
                m.server,
                f"{m.per_second:.1f}",
                f"{m.cpu_ms:.2f}",
                f"{m.database_cpu_ms:.2f}" if m.database == "postgresql" else "–",
                f"{m.percentile(50):.1f}",
                f"{m.percentile(95):.1f}",
                str(m.errors),
            ]
            for m in self.measurements
        ]
        return "## Operations\n\n" + table([*head, "errors"], rows)

    def _ratio_table(self) -> str:
        ratios = self.ratios()
        if not ratios:
            return ""
        rows = [
            [
                row["database"],
                TITLES[row["operation"]],
                f"{row['ratio']:.2f}",
                f"{min(row['ratio_by_round']):.2f}–{max(row['ratio_by_round']):.2f}",
                "–" if row["goal"] is None else f"≤ {row['goal']}",
                {None: "–", True: "yes", False: "**no**"}[row["met"]],
                f"{row['ratio_without_database']:.2f}",
                f"{row['throughput']:.2f}",
            ]
            for row in ratios
        ]
        head = [
            "database",
            "operation",
            "CPU ratio",
            "rounds",
            "goal",
            "met",
            "without PostgreSQL",
            "ops/s ratio",
        ]
        return "## idprotect / bare\n\n" + table(head, rows)

    def _memory_table(self) -> str:
        rows = [
            [
                reading.database,
                reading.hashing,
                reading.server,
                f"{reading.workers.pss:.0f}",
                f"{reading.workers.private:.0f}",
                f"{reading.database_processes.pss:.0f}" if reading.database_processes else "–",
            ]
            for reading in self.memory
        ]
        head = ["database", "hashing", "server", "PSS MiB", "private MiB", "PostgreSQL backends PSS MiB"]
        return "## Memory of the two workers together, after the load\n\n" + table(head, rows)

    def _warnings(self) -> str:
        lines = [
            f"- **FAILED**: {m.errors} wrong answers of {m.server} in {m.operation} on {m.database}: "
            + "; ".join(m.error_samples)
            for m in self.measurements
            if m.errors
        ]
        refreshes = [m for m in self.measurements if m.operation == "refresh"]
        if len({m.slices[-1].refresh_id_token for m in refreshes}) > 1:
            lines.append("- One server alone signs an ID token with each refresh; see `--refresh-id-token`.")
        busiest = max((part.others_share for m in self.measurements for part in m.slices), default=0)
        if busiest > QUIET:
            lines.append(
                f"- The machine was not quiet: other processes took up to {busiest:.0%} of its cores. "
                "Throughput and latency suffer most; CPU per operation rises too, for both servers."
            )
        return "## Warnings\n\n" + "\n".join(lines) if lines else ""


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table with aligned columns: readable on a terminal as well."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |"
        for line in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(texts)


def environment() -> dict[str, Any]:
    return {
        "cores": os.cpu_count(),
        "processor": processor(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
