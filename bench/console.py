"""How long the console's pages take with many sign-ins: ``python -m bench.console --sign-ins 1000000``.

Fills a database once (kept in ``--folder``), signs an administrator in, and asks each page a few times in one process.
What is measured is the server's own time, without a network; the median is written as a table.
"""

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import insert, text

from idprotect import clock, create_app, methods, migrations, users
from idprotect.methods.base import secret_of
from idprotect.models import AuditEvent, AuditHead, Receipt, RiskDetection, SignIn, User, new_id, session
from tests.support.world import FIREFOX, PASSWORD, _Forms

BATCH = 20_000
DAYS = 90
PAGES = {
    "overview, 7 days": "/admin/?days=7",
    "overview, 30 days": "/admin/?days=30",
    "sign-in log": "/admin/sign-ins/",
    "sign-in log, last page of 24 hours": "/admin/sign-ins/?within=24h&sort=at",
    "sign-in log, wrong passwords": "/admin/sign-ins/?outcome=failed",
    "sign-in log, not completed": "/admin/sign-ins/?outcome=stopped",
    "sign-in log, stopped by a policy": "/admin/sign-ins/?decision=blocked",
    "sign-in log, one user": "/admin/sign-ins/?user=user000042",
    "sign-in log, one address": "/admin/sign-ins/?ip=198.51.100.7",
    "sign-in log, an address nobody has": "/admin/sign-ins/?ip=192.0.2.1",
    "sign-in log, search": "/admin/sign-ins/?q=user000042",
    "risky sign-ins": "/admin/risky-sign-ins/",
    "risky sign-ins, high and open": "/admin/risky-sign-ins/?now=high&state=open",
    "risky sign-ins, detection and country": "/admin/risky-sign-ins/?detection=new_country&country=ZZ",
    "risky users": "/admin/risky-users/",
    "detections": "/admin/detections/",
    "detections, high in 7 days": "/admin/detections/?level=high&within=7d",
    "users": "/admin/users/",
    "users, second factor overdue": "/admin/users/?factor=overdue",
    "users, search": "/admin/users/?q=user0000",
    "sessions": "/admin/sessions/",
    "audit log": "/admin/audit/",
    "audit log, one event": "/admin/audit/?event=policy%3Aapplied",
    "audit log, one actor": "/admin/audit/?actor=user000042",
}


def main() -> None:
    """Fill, measure, report."""
    arguments = _arguments()
    app = _app(arguments)
    with app.app_context():
        migrations.upgrade()
        if not users.count():
            _fill(arguments.sign_ins, arguments.users)
            session().execute(text("ANALYZE"))
            session().commit()
    client = _signed_in(app)
    database = app.config["SQLALCHEMY_DATABASE_URI"].split(":")[0]
    print(f"{arguments.sign_ins:,} sign-ins, {arguments.users:,} users, {database}\n")
    print("| page | ms | CPU ms of the process |\n|---|---|---|")
    for name, path in PAGES.items():
        wall, cpu = _medians(client, path, arguments.times)
        print(f"| {name} | {wall:.0f} | {cpu:.0f} |", flush=True)


def _medians(client: FlaskClient, path: str, times: int) -> tuple[float, float]:
    """Return the median time of a page, and of the CPU that it took here: PostgreSQL's own is not in that."""
    wall, cpu = [], []
    for _ in range(times):
        begun, worked = time.perf_counter(), time.process_time()
        answer = client.get(path)
        wall.append((time.perf_counter() - begun) * 1000)
        cpu.append((time.process_time() - worked) * 1000)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
    return statistics.median(wall), statistics.median(cpu)


def _app(arguments: argparse.Namespace) -> Flask:
    folder = Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return create_app(
        {
            "IDPROTECT_DEVELOPMENT": True,
            "IDPROTECT_INSTANCE_DIR": folder,
            "IDPROTECT_DATABASE_URL": arguments.database,
            "IDPROTECT_ARGON2_MEMORY_KIB": 64,
            "IDPROTECT_ADMIN_IDLE": 3600,
        }
    )


def _signed_in(app: Flask) -> FlaskClient:
    client = app.test_client()
    page = client.get("/admin/", follow_redirects=True)
    page = _submit(client, page, {"username": "boss", "password": PASSWORD})
    with app.app_context():
        boss = users.get("boss")
        seed = secret_of(methods.registered(boss.id)[0])
    page = _submit(client, page, {"code": pyotp.TOTP(seed).at(clock.now())})
    assert "Overview" in page.text, page.text
    return client


def _submit(client: FlaskClient, page: Any, values: dict[str, str]) -> Any:
    parser = _Forms()
    parser.feed(page.text)
    form = next(form for form in parser.forms if set(values) <= set(form["names"]))
    return client.post(form["action"], data={**form["fields"], **values}, follow_redirects=True)


def _fill(sign_ins: int, people: int) -> None:
    chance, now = random.Random(1), clock.now()
    boss = users.create("boss", PASSWORD, by="bench", roles=("administrator",))
    authenticator = methods.METHODS["totp"].register(boss, SignIn(id="0" * 32), "")
    authenticator.confirmed_at = now
    session().add(authenticator)
    ids = [new_id() for _ in range(people)]
    _insert(User, (_user(number, user_id, chance) for number, user_id in enumerate(ids)))
    rows = [_sign_in(chance, ids, now) for _ in range(sign_ins)]
    rows.sort(key=lambda row: row["signed_in_at"])
    _insert(SignIn, rows)
    _insert(Receipt, (_receipt(row, chance) for row in rows if row["succeeded"]))
    _insert(AuditEvent, (_event(row, chance) for row in rows))
    session().add(AuditHead(id=1, position=next(_positions) - 1, seal="0" * 64))
    risky = [row for row in rows if row["risk_state"] != "none"]
    _insert(RiskDetection, (_detection(row, chance) for row in risky))


def _insert(model: Any, rows: Any) -> None:
    batch: list[Any] = []
    for row in rows:
        batch.append(row)
        if len(batch) == BATCH:
            session().execute(insert(model), batch)
            session().commit()
            batch = []
    if batch:
        session().execute(insert(model), batch)
    session().commit()


def _user(number: int, user_id: str, chance: random.Random) -> dict[str, Any]:
    name, risky = f"user{number:06}", chance.random() < 0.01
    return {
        "id": user_id,
        "username": name,
        "skeleton": name,
        "email": f"{name}@example.org",
        "password_history": [],
        "risk_level": 2 if risky else 0,
        "risk_state": "at_risk" if risky else "none",
        "risk_changed_at": clock.now() - timedelta(hours=chance.randrange(2000)) if risky else None,
    }


def _sign_in(chance: random.Random, ids: list[str], now: Any) -> dict[str, Any]:
    at = now - timedelta(seconds=chance.randrange(DAYS * 86400), microseconds=chance.randrange(1_000_000))
    succeeded, risky = chance.random() < 0.95, chance.random() < 0.03
    return {
        "id": new_id(),
        "user_id": chance.choice(ids),
        "succeeded": succeeded,
        "signed_in_at": at,
        "authenticated_at": at,
        "last_seen_at": at,
        "expires_at": at + timedelta(days=1),
        "amr": ["pwd"],
        "ip_address": f"198.51.100.{chance.randrange(250)}",
        "user_agent": FIREFOX,
        "device_name": "Firefox on Linux",
        "country": chance.choice(["CH", "DE", "FR"]),
        "completed_at": at if succeeded and chance.random() < 0.97 else None,
        "cookie_hash": new_id() * 2 if succeeded else None,
        "not_evaluated": {},
        "risk_level": 2 if risky and succeeded else 0,
        "aggregated_level": 2 if risky and succeeded else 0,
        "risk_state": chance.choice(["at_risk", "remediated"]) if risky and succeeded else "none",
    }


def _receipt(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    outcome = chance.choices(["allowed", "mfa_required", "blocked"], [94, 5, 1])[0]
    return {
        "reference": new_id()[:11],
        "at": row["signed_in_at"],
        "endpoint": "authorize",
        "sign_in_id": row["id"],
        "user_id": row["user_id"],
        "client_id": "notes",
        "policy_version": 0,
        "outcome": outcome,
        "facts": {},
        "results": [],
    }


def _event(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    name = "sign_in:succeeded" if row["succeeded"] else "sign_in:failed"
    return {
        "at": row["signed_in_at"],
        "name": name,
        "actor": f"user{chance.randrange(100_000):06}",
        "user_id": row["user_id"],
        "sign_in_id": row["id"],
        "details": {"risk": "none"},
        "position": next(_positions),
        "seal": "0" * 64,
        "previous_seal": "0" * 64,
    }


def _count() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


_positions = _count()


def _detection(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    return {
        "id": new_id(),
        "user_id": row["user_id"],
        "sign_in_id": row["id"],
        "name": chance.choice(["new_country", "anonymous_ip"]),
        "about": "sign_in",
        "level": 2,
        "timing": "real_time",
        "reasons": ["the country is new to this user"],
        "evidence": {},
        "detected_at": row["signed_in_at"],
        "opened_at": row["signed_in_at"],
        "state": row["risk_state"],
        "detail": "none",
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.console", description=__doc__)
    parser.add_argument("--sign-ins", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=5, help="how often each page is asked")
    parser.add_argument(
        "--folder", default="instance/bench-console", help="for the database, kept for the next time"
    )
    parser.add_argument("--database", default="", help="a PostgreSQL URL; SQLite in the folder when empty")
    return parser.parse_args()


if __name__ == "__main__":
    main()
