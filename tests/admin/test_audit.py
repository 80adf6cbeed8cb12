"""The audit log: its chain shows every change, however it was made."""

import json
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import delete, text, update

from idprotect import audit, audit_chain, clock, retention, users
from idprotect.audit import Event
from idprotect.models import AuditEvent, AuditHead, session
from tests.security.place import Place


def write(place: Place, count: int = 5, **details: Any) -> None:
    """Let something happen."""
    with place.arranging():
        for number in range(count):
            audit.record(Event.USER_CHANGED, actor="eve", number=number, **details)


def verify(place: Place, *options: str) -> dict[str, Any]:
    """Ask the command."""
    done = place.cli("audit", "verify", "--json", *options)
    return {**json.loads(done.output), "status": done.exit_code}


def tamper(place: Place, statement: Any) -> None:
    """Change the database behind everybody's back."""
    with place.app.app_context():
        session().execute(statement.execution_options(synchronize_session=False))
        session().commit()


def test_a_log_that_nobody_touched_is_whole(place: Place) -> None:
    """C094, section 10, tamper-evident: the good case, over several batches, with text of every kind."""
    write(place, audit_chain.BATCH + 10, note="Zoë “=1+1” \u202e <script>", numbers=[1, 2.5, None, True])
    found = verify(place)
    assert found["status"] == 0
    assert found["whole"] is True
    assert found["events"] == audit_chain.BATCH + 10


@pytest.mark.parametrize(
    ("tampering", "word"),
    [
        (update(AuditEvent).where(AuditEvent.position == 3).values(actor="somebody"), "changed"),
        (update(AuditEvent).where(AuditEvent.position == 3).values(details={"number": 99}), "changed"),
        (
            update(AuditEvent).where(AuditEvent.position == 3).values(at=clock.now() - timedelta(days=1)),
            "changed",
        ),
        (delete(AuditEvent).where(AuditEvent.position == 3), "missing"),
        (delete(AuditEvent).where(AuditEvent.position == 1), "missing"),
        (delete(AuditEvent).where(AuditEvent.position >= 4), "ends at"),
        (delete(AuditEvent), "ends at"),
        (update(AuditEvent).where(AuditEvent.position == 3).values(position=None, seal=None), "missing"),
    ],
)
def test_every_change_shows(place: Place, tampering: Any, word: str) -> None:
    """Section 10, append-only and tamper-evident: changed, moved, taken from the middle, the start or the end."""
    write(place)
    assert verify(place)["status"] == 0
    tamper(place, tampering)
    found = verify(place)
    assert found["status"] == 1
    assert word in found["error"]


def test_an_event_put_in_between_shows(place: Place) -> None:
    """A seal needs the key, which is not in the database."""
    write(place)
    verify(place)
    forged = text(
        "UPDATE idprotect_audit_event SET name = 'user:created', seal = (SELECT seal FROM idprotect_audit_event"
        " WHERE position = 2) WHERE position = 4"
    )
    tamper(place, forged)
    assert verify(place)["status"] == 1


def test_a_chain_cut_off_with_its_head_shows_against_a_seal_kept_elsewhere(place: Place) -> None:
    """What the database alone cannot show, a seal in somebody's drawer can."""
    write(place)
    kept = verify(place)["newest_seal"]
    with place.app.app_context():
        before = session().get_one(AuditEvent, 3)
        position, seal = before.position, before.seal
    tamper(place, delete(AuditEvent).where(AuditEvent.position > position))
    tamper(place, update(AuditHead).values(position=position, seal=seal))
    assert verify(place)["status"] == 0
    assert verify(place, "--seal", kept)["status"] == 1
    write(place, 10)
    assert "another seal" in verify(place, "--seal", kept)["error"]


def test_what_a_purge_takes_is_known_to_be_gone(place: Place) -> None:
    """Section 11, retention: the chain begins anew where the purge says that it does, and nowhere else."""
    write(place)
    place.clock.move(days=400)
    write(place, 3)
    with place.arranging():
        assert retention.purge()["audit_events"] == 5
    assert verify(place)["status"] == 0
    tamper(place, delete(AuditEvent).where(AuditEvent.position == 6))
    assert "no purge took them" in verify(place)["error"]


def test_purging_a_purged_log_keeps_it_whole(place: Place) -> None:
    """The note of the last purge is itself purged in time, when a newer one stands for it."""
    for _ in range(3):
        write(place)
        place.clock.move(days=400)
        with place.arranging():
            retention.purge()
        assert verify(place)["status"] == 0


def test_parallel_sealing_makes_one_chain(place: Place) -> None:
    """Pages, commands and the schedule may seal at once."""
    write(place, 200)

    def seal() -> None:
        with place.app.app_context():
            audit_chain.seal()

    threads = [Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = verify(place)
    assert (found["status"], found["events"]) == (0, 200)


def test_an_event_of_an_unfinished_transaction_is_sealed_later(place: Place) -> None:
    """Sealing never waits for a sign-in, nor a sign-in for sealing: what is not committed comes in the next batch."""
    write(place)
    with place.app.app_context():
        session().commit()
        audit.record(Event.USER_CHANGED, actor="slow")
        session().rollback()
    assert verify(place)["events"] == 5
    write(place, 1)
    assert verify(place)["events"] == 6


def test_list_and_export_show_who_did_what(place: Place) -> None:
    """Section 10, machine-readable, UTC; filters by event, actor and user."""
    place.make_user("ada")
    place.cli("user", "confirm-compromised", "ada", "--reason", "called us")
    listed = json.loads(place.cli("audit", "list", "--user", "ada", "--json").output)
    assert "risk:confirmed" in [event["event"] for event in listed]
    assert all(event["at"].endswith("+00:00") for event in listed)
    exported = [json.loads(line) for line in place.cli("audit", "export").output.splitlines()]
    assert [event["position"] for event in exported] == list(range(1, len(exported) + 1))
    assert {event["event"] for event in exported} >= {"user:created", "risk:confirmed"}
    only = json.loads(place.cli("audit", "list", "--event", "user:created", "--json").output)
    assert {event["event"] for event in only} == {"user:created"}


def test_the_console_shows_an_event_with_its_seal(place: Place, enter: Any) -> None:
    """F103: entry has actor, before, after."""
    place.make_user("una")
    place.act(users.set_roles, "una", ("reader",), "test")
    visitor = enter().get("/admin/audit/?event=user%3Achanged")
    link = next(link for link in visitor.links() if link.startswith("/admin/audit/") and link[-1].isdigit())
    page = visitor.get(link)
    assert "roles" in page.text
    assert "reader" in page.text
    assert "Place in the chain" in page.text
