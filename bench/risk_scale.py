"""Memory and time of ``flask idprotect replay`` for a log of a million sign-ins of a hundred thousand users.

    python -m bench.risk_scale                                          # run it, and print what it took
    python -m bench.risk_scale --events 100000 --users 10000
    python -m bench.risk_scale --protocol                               # in lock-step, each answer written at once
    python -m bench.risk_scale --record                                 # and keep it for bench/risk.md
    python -m bench.risk_scale --write > log.jsonl                      # only the log

People sign in from home, at times from a carrier's network or a journey, with cookies that are lost now and then; one
event in ten is a guess at somebody's password, from ever new addresses. The same seed makes the same log.

The CPU of each tenth of the log is told by itself, beside that of a fixed loop of Python at the same time: where both
rise, it is the machine.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.processes import cpu_seconds

RESULT = Path(__file__).parent / "risk_scale.json"
START, DAYS = 1_767_600_000.0, 60
#: So many parts of a log are measured apart.
PARTS = 10
AGENTS = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:{0}.0) Gecko/20100101 Firefox/{0}.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{0}.0.0.0 Mobile Safari/537.36",
)
CITIES = (("GB", "London", 51.5, -0.13), ("NO", "Oslo", 59.9, 10.7), ("US", "New York", 40.7, -74.0))


def events(count: int, users: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Yield attempts with their outcomes inside, in time order."""
    chance = random.Random(seed)
    for number in range(count):
        at = START + DAYS * 86400 * number / count
        user = chance.randrange(users)
        is_guess = chance.random() < 0.1
        yield _attempt(number, at, user, is_guess, chance)


def _attempt(number: int, at: float, user: int, is_guess: bool, chance: random.Random) -> dict[str, Any]:
    is_away = is_guess or chance.random() < 0.15
    country, city, latitude, longitude = CITIES[chance.randrange(3) if is_away else user % 3]
    has_cookie = not is_guess and chance.random() < 0.9
    result = "failure" if is_guess else "success"
    issued = {} if is_guess else {"session": f"s{number}", "device_cookie": f"d{user}"}
    return {
        "event_id": number,
        "ts": round(at, 3),
        "kind": "password",
        "user": f"u{user:07}",
        "ip": f"240.{chance.randrange(250)}.{chance.randrange(250)}.7"
        if is_away
        else f"241.{user >> 16 & 255}.{user >> 8 & 255}.{user & 255}",
        "asn": 4200000000 + (chance.randrange(500) if is_away else user % 50),
        "country": country,
        "city": city,
        "lat": latitude,
        "lon": longitude,
        "ua": AGENTS[user % 3].format(
            chance.randrange(90, 140) if is_guess else 120 + number * 12 // 1_000_000
        ),
        "device_cookie": f"d{user}" if has_cookie else None,
        "password_ok": not is_guess,
        "outcome": {"result": result, **issued},
    }


def measure(count: int, users: int, *options: str) -> dict[str, Any]:
    """Replay a log in a process of its own; return what that took."""
    command = [sys.executable, "-m", "flask", "idprotect", "replay", "-", *options]
    load = os.getloadavg()[0]
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        parts = list(_feed(process, count, users))
    took = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = took.ru_utime + took.ru_stime - before.ru_utime - before.ru_stime
    return {
        "command": " ".join(("python -m bench.risk_scale", *options)),
        "events": count,
        "users": users,
        "exit_status": process.returncode,
        "largest_mb": round(took.ru_maxrss / 1024),
        "cpu_us_per_event": round(cpu / count * 1e6),
        "by_events": parts,
        "seconds": round(time.monotonic() - began),
        "cores": os.cpu_count(),
        "load_before": round(load, 1),
        "load_after": round(os.getloadavg()[0], 1),
    }


def _feed(process: subprocess.Popen[bytes], count: int, users: int) -> Iterator[dict[str, int]]:
    """Write the log to a process; yield what each part of it cost, but for the few events still in the pipe."""
    assert process.stdin is not None
    part, before = max(1, count // PARTS), 0.0
    for number, event in enumerate(events(count, users), start=1):
        process.stdin.write(json.dumps(event, separators=(",", ":")).encode() + b"\n")
        if number % part == 0:
            spent = cpu_seconds(process.pid)
            cpu = round((spent - before) / part * 1e6)
            yield {"up_to": number, "cpu_us_per_event": cpu, "loop_us": _loop_us()}
            before = spent
    process.stdin.close()


def _loop_us() -> int:
    """Return the CPU of a loop that needs no memory to speak of: how fast the machine is right now."""
    began = time.process_time()
    sum(number & 3 for number in range(1_000_000))
    return round((time.process_time() - began) * 1e6)


def main() -> None:
    """Run as a program."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--write", action="store_true", help="write the log instead of replaying it")
    parser.add_argument("--protocol", action="store_true", help="replay in lock-step")
    parser.add_argument("--record", action="store_true", help="keep the result for bench/risk.md")
    asked = parser.parse_args()
    if asked.write:
        for event in events(asked.events, asked.users):
            print(json.dumps(event))
    else:
        options = ("--protocol",) if asked.protocol else ()
        took = json.dumps(measure(asked.events, asked.users, *options), indent=2)
        print(took)
        if asked.record:
            RESULT.write_text(took + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
