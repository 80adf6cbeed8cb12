"""An untrusted or hijacked source locks nobody out silently: limits, holding, pausing, undoing."""

from datetime import timedelta

import pytest

from idprotect import clock, metrics, protection
from idprotect.errors import InteractionError
from idprotect.event_types import RISK_LEVEL_CHANGE, SESSION_REVOKED, STREAM_UPDATED, VERIFICATION
from idprotect.models import AuditEvent, Delivery, RiskDetection, User, session
from idprotect.retention import purge
from idprotect.roles import Role
from idprotect.signal_sources import receiving, sources, undoing
from idprotect.testing import Provider, running
from idprotect.triage import Actor
from tests.signal_sources.conftest import Listen, Source, detections_of, risk_of

BOSS = Actor("boss", [str(Role.ADMINISTRATOR)])


def test_a_source_that_tells_of_too_many_is_held_and_administrators_are_called(listen: Listen) -> None:
    """C020: a bounded number of people within an hour; what is beyond has no effect, and nobody overlooks it."""
    settings = {"IDPROTECT_ALERT_RECIPIENTS": "soc@example.org"}
    with running(**settings) as provider:
        source = listen(provider, people_per_hour=2)
        people = [provider.person() for _ in range(4)]
        assert [source.tell(person) for person in people] == ["raised", "raised", "held", "held"]
        assert [risk_of(person) for person in people] == ["high", "high", "none", "none"]
        assert source.tell(people[0], SESSION_REVOKED) == "not_listened"
        row = source.row()
        assert row.held_since is not None
        assert row.held_why == "it told of more than 2 people within an hour"
        with provider.app.app_context():
            written = session().query(AuditEvent).filter_by(name="signal_source:held").one()
            assert written.details["source"] == source.id
            (mail,) = session().query(Delivery).filter_by(kind="mail", recipient="soc@example.org").all()
            assert "signal source" in mail.content["subject"]
            assert row.held_why in mail.content["body"]
            assert b"idprotect_signal_sources_held 1.0" in metrics.text()
        with provider.later(hours=2):
            assert source.tell(people[3]) == "held", "only an administrator lets it go on"


def test_more_of_the_same_people_is_no_more_people(provider: Provider, listen: Listen) -> None:
    """C020: an incident may tell a lot of one person."""
    source, ada = listen(provider, people_per_hour=1), provider.person()
    assert source.tell(ada, RISK_LEVEL_CHANGE, {"current_level": "MEDIUM"}) == "raised"
    assert source.tell(ada, RISK_LEVEL_CHANGE, {"current_level": "HIGH"}) == "raised"
    with provider.later(hours=2):
        assert source.tell(provider.person()) == "raised", "the hour is over"


@pytest.mark.parametrize("release", [True, False])
def test_what_was_held_is_let_through_or_thrown_away(
    provider: Provider, listen: Listen, release: bool
) -> None:
    """C020: released by the worker, of however many people; or never."""
    source = listen(provider, people_per_hour=1)
    people = [provider.person() for _ in range(3)]
    assert [source.tell(person) for person in people] == ["raised", "held", "held"]
    assert source.act(receiving.resume, "boss", "we called them", release=release) == 2
    provider.deliver()
    levels = [risk_of(person) for person in people]
    assert levels == ["high", "high", "high"] if release else ["high", "none", "none"]
    assert source.tell(provider.person()) == "raised", "it is listened to again"
    with pytest.raises(InteractionError):
        source.act(receiving.resume, "boss", "again", release=release)
    with provider.app.app_context():
        changed = session().query(AuditEvent).filter_by(name="signal_source:changed").all()
        (row,) = [
            row
            for row in changed
            if row.details["change"] == "resumed" and row.details["source"] == source.id
        ]
        assert (row.actor, row.details["reason"], row.details["held"]) == ("boss", "we called them", 2)


def test_a_paused_source_has_no_effect(provider: Provider, source: Source) -> None:
    """C020: what comes meanwhile is kept; strangers are not even that."""
    ada = provider.person()
    source.act(sources.pause, "boss", "they were broken into")
    assert source.tell(ada) == "held"
    assert source.tell({"format": "opaque", "id": "stranger"}) == "not_ours"
    assert risk_of(ada) == "none"
    with pytest.raises(InteractionError):
        source.act(sources.pause, "boss", "again")


def test_a_person_who_is_gone_when_something_is_released(provider: Provider, source: Source) -> None:
    """C020: nothing is raised, and the others are not in vain."""
    gone, ada = provider.person(), provider.person()
    source.act(sources.pause, "boss", "a look first")
    assert [source.tell(gone), source.tell(ada)] == ["held", "held"]
    with provider.arranging():
        session().delete(session().get_one(User, gone.id))
    source.act(receiving.resume, "boss", "all right", release=True)
    provider.deliver()
    assert risk_of(ada) == "high"
    assert sorted(source.outcomes().values()) == ["not_ours", "raised"]


def test_everything_since_a_time_is_undone(provider: Provider, source: Source) -> None:
    """C020: one act; what others found stays, what was closed stays closed, and each can be reactivated."""
    before, ada, kim, leo = (provider.person() for _ in range(4))
    source.tell(before)
    with provider.later(hours=3):
        for person in (ada, kim, leo):
            source.tell(person)
        kim.act(protection.confirm_compromised, "boss", "seen elsewhere, too", end_sessions=False)
        with provider.at_its_time():
            since = clock.now() - timedelta(hours=1)
        done = source.act(undoing.undo, since, BOSS, "they were broken into")
    assert (done.closed, done.left) == (3, 0)
    assert [risk_of(person) for person in (before, ada, kim, leo)] == ["high", "none", "high", "none"]
    (row,) = detections_of(ada)
    assert (row.state, row.detail, row.closed_by) == ("confirmed_safe", "admin_false_positive", "boss")
    ada.act(lambda _user: protection.reactivate(_stored(row.id), "boss", "it was true after all"))
    assert risk_of(ada) == "high"
    with provider.app.app_context():
        undone = session().query(AuditEvent).filter_by(name="signal_source:undone").one()
        assert (undone.actor, undone.details["closed"]) == ("boss", 3)


def _stored(detection_id: str) -> RiskDetection:
    return session().get_one(RiskDetection, detection_id)


def test_nobody_undoes_what_was_raised_about_themselves(provider: Provider, source: Source) -> None:
    """C020, F103: somebody else has to."""
    eve = provider.person(roles=("administrator",))
    source.tell(eve)
    source.tell(provider.person())
    with provider.arranging():
        user = session().get_one(User, eve.id)
        since = clock.now() - timedelta(hours=1)
        done = undoing.undo(sources.get(source.id), since, Actor.of(user), "all wrong")
    assert (done.closed, done.left) == (1, 1)
    assert risk_of(eve) == "high"


def test_a_verification_with_another_state_is_refused(provider: Provider, source: Source) -> None:
    """C020: SSF 8.1.4.2; without having been asked for, it is taken as it comes."""
    stream = {"format": "opaque", "id": "stream"}
    assert source.tell(stream, VERIFICATION, {"state": "of its own"}) == "verification"
    assert source.row().verified_at is not None
    with provider.arranging():
        sources.get(source.id).verification_state = "asked for"
    wrong = source.transmitter.claims(stream, VERIFICATION, {"state": "wrong"})
    assert source.push(source.transmitter.sign(wrong)).json()["err"] == "invalid_state"
    without = source.transmitter.claims(None, VERIFICATION, {"state": "asked for"})
    del without["sub_id"]
    assert source.push(source.transmitter.sign(without)).status_code == 202
    assert source.row().verification_state is None


def test_the_transmitter_tells_how_the_stream_stands(source: Source) -> None:
    """C020: stream-updated (SSF 8.1.5)."""
    told = {"status": "paused", "reason": "maintenance"}
    assert source.tell({"format": "opaque", "id": "stream"}, STREAM_UPDATED, told) == "stream_updated"
    assert (source.row().stream_status, source.row().stream_reason) == ("paused", "maintenance")


def test_what_is_forgotten_cannot_come_again(provider: Provider, source: Source) -> None:
    """C020, F106: purged is what a token is too old for; what can be undone stays, and what is held."""
    ada = provider.person()
    source.tell(ada)
    source.tell({"format": "opaque", "id": "stranger"})
    source.act(sources.pause, "boss", "a look first")
    source.tell(provider.person())
    with provider.later(days=60), provider.arranging():
        assert purge()["received_signals"] >= 1
    assert sorted(source.outcomes().values()) == ["held", "raised"]
