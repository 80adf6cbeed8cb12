"""What an event does here: it raises a detection, ends sessions, or nothing; once, and no more people than agreed.

What somebody else tells is a fact for the risk engine like any other: it goes through :mod:`idprotect.protection`, so
it stands in the ledger, and is closed, dismissed and undone as everything there.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import StrEnum

from flask import g
from sqlalchemy import func, select, update

from idprotect import audit, clock, mails, notifications, protection, sessions
from idprotect.audit import Event
from idprotect.errors import InteractionError
from idprotect.event_types import RISC_VERIFICATION, STREAM_UPDATED, VERIFICATION
from idprotect.keys import sha256
from idprotect.models import (
    ReceivedSignal,
    SignalSource,
    User,
    dialect,
    insert,
    rows_changed,
    run,
    session,
)
from idprotect.protection import open_detections
from idprotect.risk import Finding
from idprotect.risk.detections.shared_signal import ENDS_SESSIONS, NAME, RULES, shared_signal
from idprotect.runtime import settings
from idprotect.shared_signals import origin, telling
from idprotect.signal_sources import sources, subjects, tokens
from idprotect.signal_sources.tokens import NotNow, Refused, Signal

log = logging.getLogger("idprotect.signal_sources")

#: Within which :attr:`SignalSource.people_per_hour` is counted.
WINDOW = timedelta(hours=1)
#: So much is held of one source; of what comes then the transmitter has to keep it.
MOST_HELD = 10_000
#: Why sessions ended, in their own words.
ENDED = "signalled"
#: Of what was released so many are acted on in one round of a worker.
BATCH = 200


class Outcome(StrEnum):
    """What came of one event; names are stable for ever."""

    RAISED = "raised"
    SESSIONS_ENDED = "sessions_ended"
    NOTED = "noted"
    NOT_OURS = "not_ours"
    NOT_LISTENED = "not_listened"
    UNKNOWN_EVENT = "unknown_event"
    ECHO = "echo"
    HELD = "held"
    RELEASED = "released"
    DISCARDED = "discarded"
    VERIFICATION = "verification"
    STREAM_UPDATED = "stream_updated"


#: What counts towards the limit of people.
_ACTED = (str(Outcome.RAISED), str(Outcome.SESSIONS_ENDED))


def receive(source: SignalSource, token: str) -> None:
    """Verify a token of a source, and let it have its effect, once. Commits.

    Nothing tells the source whether the person is ours.

    :raises Refused: for what is no token of this source; written down.
    :raises NotNow: the source has to send it again.
    """
    source_id = source.id
    try:
        _take(source_id, tokens.verified(source, token))
        session().commit()
    except Refused as error:
        session().rollback()
        notifications.discard()
        refuse(source_id, f"{error.code}: {error}")
        raise
    notifications.flush()


def refuse(source_id: str, why: str) -> None:
    """Write down that something of a source was refused. Commits."""
    source = session().get(SignalSource, source_id)
    if source is not None:
        sources.note_failure(source, why)
        audit.record(Event.SIGNAL_REFUSED, actor=sources.actor(source), source=source.id, why=why)
        session().commit()


def resume(source: SignalSource, by: str, reason: str, *, release: bool) -> int:
    """Listen to a source again; return how many held events are let through, or thrown away.

    :param release: what was held has its effect now, of however many people it tells; otherwise it never has.
    :raises InteractionError: when nothing is held.
    """
    if source.held_since is None:
        raise InteractionError("This source is listened to already.")
    source.held_since, source.held_why, source.resumed_at = None, "", clock.now()
    held = update(ReceivedSignal).where(
        ReceivedSignal.source_id == source.id, ReceivedSignal.outcome == str(Outcome.HELD)
    )
    if release:
        count = rows_changed(held.values(outcome=str(Outcome.RELEASED)))
        g.idprotect_deliveries = True  # the courier acts on them
    else:
        count = rows_changed(held.values(outcome=str(Outcome.DISCARDED), content=None))
    if source.is_polled:
        source.poll_due_at = clock.now()
    sources.record(source, by, "resumed", reason=reason, held=count, released=release)
    return count


def act_on_released() -> int:
    """Let what an administrator released have its effect, the oldest first; return how many. Commits."""
    waiting = select(ReceivedSignal.id).where(ReceivedSignal.outcome == str(Outcome.RELEASED))
    ids = session().scalars(waiting.order_by(ReceivedSignal.received_at).limit(BATCH)).all()
    session().rollback()
    for its_id in ids:
        this = (ReceivedSignal.id == its_id, ReceivedSignal.outcome == str(Outcome.RELEASED))
        if rows_changed(update(ReceivedSignal).where(*this).values(outcome=str(Outcome.NOTED))):
            _act_on_held(session().get_one(ReceivedSignal, its_id, populate_existing=True))
        session().commit()
        notifications.flush()
    return len(ids)


def seconds_until_released() -> float | None:
    """Return 0 while there is more to act on, None when there is not."""
    waiting = select(ReceivedSignal.id).where(ReceivedSignal.outcome == str(Outcome.RELEASED)).limit(1)
    found = session().scalar(waiting)
    session().rollback()
    return 0.0 if found is not None else None


def held_count(source: SignalSource) -> int:
    """Return how many events of a source wait for an administrator."""
    held = (ReceivedSignal.source_id == source.id, ReceivedSignal.outcome == str(Outcome.HELD))
    return session().scalar(select(func.count()).select_from(ReceivedSignal).where(*held)) or 0


def newest(source: SignalSource, limit: int) -> Sequence[tuple[ReceivedSignal, str | None]]:
    """Return what a source told last, each with the name of whom it was about."""
    told = select(ReceivedSignal, User.username).outerjoin(User, User.id == ReceivedSignal.user_id)
    told = told.where(ReceivedSignal.source_id == source.id).order_by(ReceivedSignal.received_at.desc())
    return [(row[0], row[1]) for row in session().execute(told.limit(limit))]


def counts(source: SignalSource) -> Mapping[str, int]:
    """Return how many events had which outcome, of those that the log still has."""
    counted = select(ReceivedSignal.outcome, func.count()).where(ReceivedSignal.source_id == source.id)
    return {row[0]: row[1] for row in session().execute(counted.group_by(ReceivedSignal.outcome))}


def _take(source_id: str, signal: Signal) -> None:
    """Act on a verified event, unless it was had before: of two at the same moment one writes the row."""
    row_id = sha256("\x1f".join((source_id, signal.jti)))
    values = {
        "id": row_id,
        "source_id": source_id,
        "jti": signal.jti,
        "event_type": signal.type,
        "received_at": clock.now(),
        "outcome": str(Outcome.NOTED),
    }
    insertion = insert(ReceivedSignal, dialect()).values(values).on_conflict_do_nothing()
    if run(insertion.returning(ReceivedSignal.id)).first() is None:
        return
    # The events of one source are acted on one after another, so that they are counted right.
    statement = select(SignalSource).where(SignalSource.id == source_id).with_for_update(key_share=True)
    source = session().scalars(statement, execution_options={"populate_existing": True}).one()
    source.received_at = clock.now()
    row = session().get_one(ReceivedSignal, row_id)
    row.outcome = str(_outcome(source, row, signal))


def _outcome(source: SignalSource, row: ReceivedSignal, signal: Signal) -> Outcome:
    if signal.type in (VERIFICATION, RISC_VERIFICATION):
        return _verify(source, signal)
    if signal.type == STREAM_UPDATED:
        source.stream_status, source.stream_reason = signal.status, signal.members.get("reason", "")
        return Outcome.STREAM_UPDATED
    if signal.type not in RULES:
        return Outcome.UNKNOWN_EVENT
    if signal.type not in source.events:
        return Outcome.NOT_LISTENED
    if telling.is_ours(signal.txn):
        return Outcome.ECHO
    user = subjects.find(source, signal.subject)
    if user is None:
        return Outcome.NOT_OURS
    row.user_id = user.id
    finding = shared_signal(source.name, signal.type, signal.members, source.cap)
    if finding is None and signal.type not in ENDS_SESSIONS:
        return Outcome.NOTED
    if source.held_since is None and _is_too_many(source, user):
        _stop(source)
    if source.held_since is not None:
        return _hold(source, row, signal)
    return _act(source, row, user, finding, signal.txn)


def _verify(source: SignalSource, signal: Signal) -> Outcome:
    """Note that the stream works (SSF 1.0 section 8.1.4.2)."""
    asked = source.verification_state
    if signal.state is not None and asked is not None and signal.state != asked:
        raise Refused("invalid_state", "The state is not the one that was asked for.")
    source.verified_at, source.verification_state = clock.now(), None
    return Outcome.VERIFICATION


def _is_too_many(source: SignalSource, user: User) -> bool:
    """Whether one more person would be more than the source may touch within an hour."""
    since = clock.now() - WINDOW
    if source.resumed_at is not None:
        since = max(since, source.resumed_at)
    touched = select(ReceivedSignal.user_id).where(
        ReceivedSignal.source_id == source.id,
        ReceivedSignal.received_at > since,
        ReceivedSignal.outcome.in_(_ACTED),
    )
    people = set(session().scalars(touched.distinct().limit(source.people_per_hour + 1)))
    return user.id not in people and len(people) >= source.people_per_hour


def _stop(source: SignalSource) -> None:
    """Hold what comes of a source that tells of too many, and call administrators."""
    why = f"it told of more than {source.people_per_hour} people within an hour"
    sources.hold(source, why)
    audit.record(Event.SIGNAL_SOURCE_HELD, actor="system", source=source.id, name=source.name, why=why)
    if not mails.are_sent():
        return
    text = (
        f"What the signal source {source.name} tells {settings().issuer} has no effect any more: {why}. "
        "It is held until an administrator looks, and lets it through or throws it away:\n\n"
        f"flask idprotect signal-source show {source.id}\n"
    )
    for address in mails.recipients():
        mails.put(address, f"{settings().brand_name}: a signal source is held", text, "alert")


def _hold(source: SignalSource, row: ReceivedSignal, signal: Signal) -> Outcome:
    if held_count(source) >= MOST_HELD:
        raise NotNow("as much is held of this source as there is room for")
    row.content = {"members": dict(signal.members), "txn": signal.txn}
    return Outcome.HELD


def _act_on_held(row: ReceivedSignal) -> None:
    source, user = session().get(SignalSource, row.source_id), session().get(User, row.user_id or "")
    content, row.content = row.content or {}, None
    if source is None or user is None:
        row.outcome = str(Outcome.NOT_OURS)
        return
    finding = shared_signal(source.name, row.event_type, content.get("members", {}), source.cap)
    row.outcome = str(_act(source, row, user, finding, content.get("txn", row.jti)))


def _act(source: SignalSource, row: ReceivedSignal, user: User, finding: Finding | None, txn: str) -> Outcome:
    """Raise what was found, and end sessions where the event says so; our own streams tell it on, but not back."""
    actor, outcome = sources.actor(source), Outcome.NOTED
    with origin.following(origin.Origin(source.issuer, source.application_id, txn)):
        protection.hold(user.id)
        if finding is not None and not _is_known(user, finding):
            row.detection_id = protection.raise_detection(user, finding, actor=actor).id
            outcome = Outcome.RAISED
        if row.event_type in ENDS_SESSIONS:
            sessions.end_all(user.id, ENDED, actor=actor)
            outcome = Outcome.RAISED if outcome is Outcome.RAISED else Outcome.SESSIONS_ENDED
        session().flush()
    return outcome


def _is_known(user: User, finding: Finding) -> bool:
    """Whether the same source said the same, or worse, and that is open: said again, it is no second finding."""
    same = ("source", "event")
    return any(
        row.name == NAME
        and row.level >= finding.level
        and all(row.evidence.get(name) == finding.evidence[name] for name in same)
        for row in open_detections(user.id)
    )
