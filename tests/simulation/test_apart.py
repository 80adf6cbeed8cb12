"""What is simulated is kept apart: marked, counted nowhere, sent to nobody, able to do nothing, and gone when removed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.datastructures import MultiDict

from idprotect import clock, counts, receipts, sign_in_log, sign_ins, simulated, users
from idprotect.admin import figures
from idprotect.browser import Visitor
from idprotect.errors import InteractionError
from idprotect.lists import LISTINGS
from idprotect.lists.listing import Asked
from idprotect.lists.paging import count
from idprotect.models import (
    AuditEvent,
    Base,
    Client,
    RiskCount,
    SignIn,
    Throttle,
    User,
    session,
    table_of,
)
from idprotect.passwords import Passwords
from idprotect.people import everybody
from idprotect.policies import current
from tests.support.world import FIREFOX, PASSWORD

#: What a run leaves for good: the note that it ran.
KEPT = {"idprotect_audit_event", "idprotect_audit_head"}


def rows() -> dict[str, int]:
    """Return how many rows each table has."""
    session().rollback()
    return {
        table.name: session().scalar(select(func.count()).select_from(table)) or 0
        for table in Base.metadata.sorted_tables
    }


def test_rows_are_marked(simulate: Callable[..., Any]) -> None:
    """F115: every user and every sign-in, also the failed ones."""
    simulate("brute-force")
    assert session().scalars(select(User.simulated)).all() == [True] * 9
    marks = session().scalars(select(SignIn.simulated)).all()
    assert len(marks) > 20
    assert all(marks)


def test_nobody_real_is_marked(app: Flask, simulate: Callable[..., Any]) -> None:
    """A sign-in of a real person after a simulation is a real one, at the real time."""
    simulate("new-phone")
    users.create("ada", PASSWORD, by="test")
    session().commit()
    with app.test_request_context():
        sign_in = session().get_one(SignIn, sign_ins.attempt("ada", PASSWORD, VISITOR))
        assert not sign_in.simulated
        assert abs((clock.now() - sign_in.signed_in_at).total_seconds()) < 60
        newest = select(AuditEvent.name).order_by(AuditEvent.id.desc())
        assert session().scalars(newest).first() == "sign_in:succeeded"


def test_counts_and_shared_limits_do_not_move(app: Flask, simulate: Callable[..., Any]) -> None:
    """F115: what is judged of real people stays as it was, and so does what they may still try."""
    simulate("sprayed-account", "brute-force")
    counts.write(now=True)
    assert rows()[table_of(RiskCount).name] == 0
    keys = session().scalars(select(Throttle.key)).all()
    assert not [key for key in keys if not key.startswith(("password:", "mfa-"))]


def test_the_audit_log_says_only_that_it_ran(simulate: Callable[..., Any]) -> None:
    """Nothing of it happened, so alerts and whoever listens to the log hear of one thing: the command."""
    simulate("anonymiser")
    about_clients = AuditEvent.name == "client:created"
    events = session().scalars(select(AuditEvent).where(~about_clients)).all()
    assert [(event.name, event.details["scenario"]) for event in events] == [("simulation:ran", "anonymiser")]


def test_nothing_is_sent(app: Flask, simulate: Callable[..., Any], tmp_path: Any) -> None:
    """F105: no administrator and no user is told."""
    simulate("leaked-password", "stolen-cookie")
    assert not list((tmp_path / "outbox").glob("*"))


def test_policy_insights_leave_it_out(simulate: Callable[..., Any]) -> None:
    """F051: a preview of a draft speaks of people who exist, and of sign-ins that happened."""
    simulate("anonymiser")
    assert list(everybody(current())) == []
    assert list(receipts.log()) == []
    assert list(sign_in_log.log()) == []


def test_the_console_counts_and_lists_people_who_exist(app: Flask, simulate: Callable[..., Any]) -> None:
    """F115: figures, charts and the lists behind them leave it out, though half of it is at risk."""
    simulate("anonymiser", "stolen-cookie")
    with app.test_request_context("https://id.example.org/admin/"):
        assert [number.label for number in figures.waiting() if number.value] == []
        days = figures.by_day(40)
    counted = [days.sign_ins, days.blocked, *days.asked.values(), *days.detections.values()]
    assert sum(map(sum, counted)) == 0
    for listing in LISTINGS.values():
        if listing.name not in ("audit", "applications"):
            assert count(Asked.of(listing, MultiDict())) == 0, listing.name


def test_no_simulated_person_signs_in_otherwise(
    app: Flask, simulate: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even with the right password: they exist in the simulation only."""
    [outcome] = simulate("new-phone")
    monkeypatch.setattr(Passwords, "verify", lambda *_: True)
    with app.test_request_context(), pytest.raises(InteractionError, match="not right"):
        sign_ins.attempt(outcome["user"], "anything at all", VISITOR)
    assert not simulated.is_running()


def test_a_real_person_cannot_be_played(app: Flask, simulate: Callable[..., Any]) -> None:
    """--user names somebody made for it, never somebody who was there before."""
    users.create("ada", PASSWORD, by="test")
    session().commit()
    assert "real person" in simulate("new-phone", "--user", "ada", exit_code=1)["error"]
    assert rows()["idprotect_sign_in"] == 0


def test_removal_leaves_nothing(app: Flask, simulate: Callable[..., Any]) -> None:
    """F115: every row of every table goes, also of people whom an administrator deleted meanwhile."""
    users.create("ada", PASSWORD, by="test")
    session().commit()
    before = rows()
    simulate("brute-force", "stolen-cookie", "shared-browser")
    users.delete(users.get("sim-stolen-cookie-1"), "test", "tidying up")
    session().commit()
    played = rows()["idprotect_sign_in"]
    assert simulate("--remove")["removed"] == {"users": 26, "sign_ins": played}
    assert {name: n for name, n in rows().items() if name not in KEPT} == {
        name: n for name, n in before.items() if name not in KEPT
    }
    assert session().get(Client, "idprotect-simulation") is None


def test_playing_again_replaces(simulate: Callable[..., Any]) -> None:
    """The same scenario twice leaves the people of one."""
    simulate("traveller")
    once = rows()
    simulate("traveller")
    twice = rows()
    assert {k: v for k, v in once.items() if k not in KEPT} == {
        k: v for k, v in twice.items() if k not in KEPT
    }


def test_a_clock_is_moved_for_one_context_only(app: Flask) -> None:
    """Whoever is not in the context of a simulation sees the real time, before, during and after."""
    from contextvars import Context
    from datetime import timedelta

    before = clock.now()
    with clock.set_to(before - timedelta(days=30)):
        assert (before - clock.now()).days == 29
        assert Context().run(clock.now) >= before
    assert clock.now() >= before
    assert json.dumps(str(clock.now()))


VISITOR = Visitor("198.51.100.10", FIREFOX, "Firefox on Linux", "linux", None)
