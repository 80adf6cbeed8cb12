"""What judging costs as the tables grow: ``python -m bench.scale``, some minutes, writes ``scale.md``.

One process, no network: users who are known sign in again and again, while the database is filled from 1,000 to
1,000,000 sign-ins of a tenth as many users, each with a profile and counts of its own.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, text

from idprotect import clients, counts, create_app, judging, migrations, users
from idprotect.browser import Visitor
from idprotect.intelligence import sample
from idprotect.intelligence.sources import in_folder
from idprotect.models import User, session
from idprotect.registration import Registration
from idprotect.runtime import runtime

from .browser import credential_form
from .databases import open_databases

PASSWORD = "seven quiet herons over slate"  # noqa: S105
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
CALLBACK = "https://app.example/callback"
HOME = "198.51.100.10"
PEOPLE, HABIT = 20, 6
REQUEST = {
    "client_id": "bench",
    "redirect_uri": CALLBACK,
    "response_type": "code",
    "scope": "openid",
    "prompt": "login",
    "code_challenge": "x" * 43,
    "code_challenge_method": "S256",
}
#: Rows are copied by the database itself; `i` counts them.
SERIES = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT :low UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :high)",
    "postgresql": "WITH n(i) AS (SELECT generate_series(CAST(:low AS integer), CAST(:high AS integer) - 1))",
}
IDS = {"sqlite": "printf('%032x', {})", "postgresql": "lpad(to_hex({}), 32, '0')"}
EARLIER = {
    "sqlite": "datetime(model.signed_in_at, '-' || i || ' seconds')",
    "postgresql": "model.signed_in_at - i * interval '1 second'",
}
#: What the database would do later, in the middle of measuring.
SETTLE = {"sqlite": ("ANALYZE",), "postgresql": ("VACUUM ANALYZE", "CHECKPOINT")}
ABOUT = """\
Made by `python -m bench.scale`. Medians in milliseconds, and the CPU of the server's process beside them (PostgreSQL's
own is not in it). Judging is everything from the device cookie to the level ({times} times); a sign-in is all requests
from `/authorize` to the code, with the cheapest hashing, no network, the client in the same process ({whole} times).
There are a tenth as many users as sign-ins, each with a profile and a count. {cores} cores, shared with other work
(load {load:.0f}): compare down a column, and believe the CPU before the time.
"""


@dataclass(frozen=True)
class Reading:
    """What was measured at one size; milliseconds, medians."""

    sign_ins: int
    judging_ms: float
    judging_cpu_ms: float
    statements: int
    sign_in_ms: float
    sign_in_cpu_ms: float


class Bench:
    """One server in this process, over one database."""

    def __init__(self, kind: str, url: str, folder: Path) -> None:
        self.kind, self.filled = kind, 0
        self.app = _app(url, folder)
        with self.app.app_context():
            migrations.upgrade()
            registration = Registration(
                client_name="Bench",
                redirect_uris=(CALLBACK,),
                token_endpoint_auth_method="none",
                first_party=True,
            )
            clients.create(registration, by="bench", client_id="bench")
            for number in range(PEOPLE):
                users.create(f"person{number}", PASSWORD, by="bench")
            session().commit()
        self.people = [(f"person{number}", self.app.test_client()) for number in range(PEOPLE)]
        for _ in range(HABIT):
            for name, client in self.people:
                sign_in(name, client)

    def fill(self, sign_ins: int) -> None:
        """Add sign-ins until there are so many, and a tenth of that of users."""
        with self.app.app_context():
            counts.write(now=True)
            self._copy_rows(sign_ins)
            session().commit()
            with runtime().db.engine.connect() as connection:
                connection = connection.execution_options(isolation_level="AUTOCOMMIT")
                for statement in SETTLE[self.kind]:
                    connection.execute(text(statement))
        self.filled = sign_ins

    def _copy_rows(self, sign_ins: int) -> None:
        of_user, of_sign_in = IDS[self.kind].format("i"), IDS[self.kind].format("i + 1000000000")
        some_user = IDS[self.kind].format(f"i % {max(sign_ins // 10, 1)}")
        low, high = self.filled // 10, sign_ins // 10
        named = {"id": of_user, "username": of_user, "skeleton": of_user, "email": "NULL"}
        self._copy("user", named, low, high)
        self._copy("risk_profile", {"user_id": of_user}, low, high)
        self._copy("risk_count", {"key": f"'site:' || {of_user}"}, low, high)
        changed = {"id": of_sign_in, "user_id": some_user, "cookie_hash": "NULL"}
        self._copy("sign_in", changed | {"signed_in_at": EARLIER[self.kind]}, self.filled, sign_ins)

    def _copy(self, name: str, changed: dict[str, str], low: int, high: int) -> None:
        """Copy the first row of a table, with some columns changed."""
        table = User.metadata.tables[f"idprotect_{name}"]
        columns = [column.name for column in table.columns]
        chosen = ", ".join(changed.get(column, f"model.{column}") for column in columns)
        model = f"(SELECT * FROM {table.name} ORDER BY 1 DESC LIMIT 1) AS model"
        insert = f"INSERT INTO {table.name} ({', '.join(columns)}) SELECT {chosen} FROM n, {model}"  # noqa: S608
        session().execute(text(f"{SERIES[self.kind]} {insert}"), {"low": low, "high": high})

    def measure(self, times: int) -> Reading:
        """Judge and sign in, each so many times."""
        chance = random.Random(1)  # noqa: S311
        with self.app.app_context():
            known = [self._known(name, client) for name, client in self.people]
            session().expunge_all()
            judging_ms, judging_cpu = _medians(lambda: judge(*chance.choice(known)), times)
            with _statements() as sent:
                judge(*known[0])
        whole = _medians(lambda: sign_in(*chance.choice(self.people)), times // 4)
        return Reading(self.filled, judging_ms, judging_cpu, len(sent), *whole)

    def _known(self, name: str, client: FlaskClient) -> tuple[User, Visitor]:
        """Return somebody at home, in the browser that is known."""
        cookie = client.get_cookie("idprotect-device")
        visitor = Visitor(HOME, BROWSER, "Firefox on Linux", "linux", cookie.value if cookie else None)
        return users.get(name), visitor


def judge(user: User, visitor: Visitor) -> None:
    """Judge one sign-in, from the cookie to the level."""
    holder = judging.holder(visitor, user)
    judging.judge(judging.attempt_at(user, visitor, holder.browser_id, password_ok=True), PASSWORD)


def sign_in(name: str, client: FlaskClient) -> None:
    """Go all the way from the authorize request to the code."""
    path, answer = _follow(client, client.get("/authorize?" + urlencode(REQUEST)))
    form = credential_form(answer.text)
    assert form is not None, answer.text
    values = {**form.fields, "username": name, "password": PASSWORD}
    location, _ = _follow(client, client.post(urljoin(path, form.action or path), data=values))
    assert location.startswith(f"{CALLBACK}?code="), location


def _follow(client: FlaskClient, answer: Any) -> tuple[str, Any]:
    """Follow redirects, but not to the application."""
    path = answer.request.full_path
    while answer.status_code in (302, 303) and not (path := answer.headers["Location"]).startswith(CALLBACK):
        answer = client.get(path)
    return path, answer


def _medians(act: Callable[[], None], times: int) -> tuple[float, float]:
    """Return the median time of something in milliseconds, and of the CPU that it took in this process."""
    wall, cpu = [], []
    for _ in range(times):
        begun, worked = time.perf_counter(), time.process_time()
        act()
        wall.append((time.perf_counter() - begun) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
    return statistics.median(wall), statistics.median(cpu)


@contextmanager
def _statements() -> Iterator[list[str]]:
    """Collect the statements that are sent to the database."""
    sent: list[str] = []
    engine = runtime().db.engine

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def _app(url: str, folder: Path) -> Flask:
    folder.mkdir(mode=0o700)
    app = create_app(
        {
            "IDPROTECT_DEVELOPMENT": True,
            "IDPROTECT_INSTANCE_DIR": folder,
            "IDPROTECT_DATABASE_URL": url,
            "IDPROTECT_ARGON2_MEMORY_KIB": 8,
            "IDPROTECT_ARGON2_TIME_COST": 1,
            "IDPROTECT_CITY_DATABASE": str(sample.FOLDER / "city.mmdb"),
            "IDPROTECT_ASN_DATABASE": str(sample.FOLDER / "asn.mmdb"),
            "IDPROTECT_ADDRESS_LISTS": ",".join(source.setting for source in in_folder(sample.FOLDER)),
        }
    )
    app.test_client_class = _Visitor
    return app


class _Visitor(FlaskClient):
    """Comes from home, in the one browser."""

    def open(self, *arguments: Any, **options: Any) -> Any:
        options["environ_overrides"] = {"REMOTE_ADDR": HOME, "HTTP_USER_AGENT": BROWSER}
        return super().open(*arguments, **options)


def _report(readings: dict[str, list[Reading]], times: int) -> str:
    about = ABOUT.format(times=times, whole=times // 4, cores=os.cpu_count(), load=os.getloadavg()[0])
    lines = [f"# Judging as tables grow, {datetime.now(UTC):%Y-%m-%d}", "", about]
    lines += [
        "| database | sign-ins | judging ms | CPU ms | statements | sign-in ms | CPU ms |",
        "|---|" + 6 * "--:|",
    ]
    for kind, rows in readings.items():
        lines += [
            f"| {kind} | {row.sign_ins:,} | {row.judging_ms:.2f} | {row.judging_cpu_ms:.2f} | {row.statements} "
            f"| {row.sign_in_ms:.1f} | {row.sign_in_cpu_ms:.1f} |"
            for row in rows
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Fill, measure, report."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000,1000000")
    parser.add_argument("--databases", default="sqlite,postgresql")
    parser.add_argument("--times", type=int, default=200, help="how often each size is judged")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("scale.md"))
    arguments = parser.parse_args()
    readings: dict[str, list[Reading]] = {}
    for kind in arguments.databases.split(","):
        with tempfile.TemporaryDirectory(prefix="idprotect-scale-") as folder:
            readings[kind] = _measure(kind, Path(folder), arguments)
    arguments.output.write_text(_report(readings, arguments.times))


def _measure(kind: str, folder: Path, arguments: argparse.Namespace) -> list[Reading]:
    readings = []
    with open_databases(kind, folder) as databases:
        bench = Bench(kind, databases.create("scale"), folder / "instance")
        for size in arguments.sizes.split(","):
            bench.fill(int(size))
            readings.append(bench.measure(arguments.times))
            print(kind, readings[-1], flush=True)
        with bench.app.app_context():
            runtime().additions.take(now=True)  # the database goes before the interpreter does
            runtime().db.engine.dispose()
    return readings


if __name__ == "__main__":
    main()
