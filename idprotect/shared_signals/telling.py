"""From what happened to the outbox, in one transaction; and from there to the application, as a signed event."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any

from flask import Flask
from sqlalchemy import ColumnElement, exists, select, update

from idprotect import audit, clock, deliveries, sessions
from idprotect.audit import Event
from idprotect.event_types import VERIFICATION
from idprotect.models import Client, Delivery, SignalStream, Token, rows_changed, session
from idprotect.oidc import subjects
from idprotect.oidc.signing import sign
from idprotect.registration import CLIENT_CREDENTIALS, SIGNALS
from idprotect.runtime import reach, runtime, settings
from idprotect.senders import SendError
from idprotect.senders.outgoing import post
from idprotect.shared_signals import events, origin

log = logging.getLogger("idprotect.shared_signals")

KIND = "signal"
#: What nobody fetched, or waits for a paused stream, is kept for so long.
KEPT = timedelta(days=7)
#: So much may wait for one stream; what happens then is not told.
MOST_WAITING = 10_000
#: In one answer to a poll.
MOST_SETS = 100


@sessions.ended.connect
def _session_ended(_app: Flask, *, user_id: str, sign_in_ids: Sequence[str], reason: str) -> None:
    for sign_in_id in sign_in_ids:
        _put(events.session_revoked(reason), user_id, sign_in_id)


@audit.recorded.connect
def _happened(
    event: Event, *, user_id: str | None, sign_in_id: str | None, details: Mapping[str, Any]
) -> None:
    if user_id is not None and (told := events.of(event, details)) is not None:
        _put(told, user_id, sign_in_id)


def _put(told: events.Told, user_id: str, sign_in_id: str | None) -> None:
    """Put an event into the outbox for every application that it concerns."""
    event_type, members = told
    is_of_session, told_by = event_type in events.ABOUT_SESSION, origin.current()
    content = {
        "type": event_type,
        "members": members,
        "user_id": user_id,
        "sign_in_id": sign_in_id if is_of_session else None,
        "at": int(clock.now().timestamp()),
        **({"txn": told_by.txn} if told_by is not None else {}),
    }
    for stream, client in _concerned(user_id, sign_in_id if is_of_session else None):
        if event_type not in stream.events or user_id in stream.removed_users:
            continue
        if told_by is not None and told_by.is_at(stream):
            continue
        if event_type not in events.ABOUT_RISK or client.release_risk:
            _queue(stream, content)


def _concerned(user_id: str, sign_in_id: str | None) -> Sequence[tuple[SignalStream, Client]]:
    """Return the streams of applications that have tokens of this person, or of this session."""
    of_person = exists().where(Token.user_id == user_id, Token.client_id == SignalStream.client_id)
    if sign_in_id is not None:
        of_person = of_person.where(Token.sign_in_id == sign_in_id)
    statement = (
        select(SignalStream, Client)
        .join(Client, Client.id == SignalStream.client_id)
        .where(SignalStream.status != "disabled", Client.enabled, of_person)
    )
    with session().no_autoflush:
        return [(stream, client) for stream, client in session().execute(statement)]


def put_verification(stream: SignalStream, state: str | None) -> None:
    """Put a verification event (SSF section 8.1.4.2) into the outbox."""
    members = {"state": state} if state is not None else {}
    _queue(stream, {"type": VERIFICATION, "members": members, "user_id": None, "sign_in_id": None})


def _queue(stream: SignalStream, content: Mapping[str, Any]) -> None:
    if not _has_room(stream):
        log.warning("stream %s is full: an event is not told", stream.id)
        return
    deliveries.put(KIND, stream.id, content, due_at=_due_at(stream))


def reschedule(stream: SignalStream) -> None:
    """Send what waits, or keep it, as the stream stands now."""
    deliveries.move(KIND, stream.id, _due_at(stream))


def _due_at(stream: SignalStream) -> datetime:
    return clock.now() if _is_sent(stream) else clock.now() + KEPT


def _is_sent(stream: SignalStream) -> bool:
    """Whether events go out by themselves; else they wait to be fetched, or for the stream to be taken up again."""
    return stream.is_pushed and stream.status == "enabled"


def _has_room(stream: SignalStream) -> bool:
    last = select(Delivery.id).where(*_waiting(stream)).offset(MOST_WAITING - 1).limit(1)
    with session().no_autoflush:
        return session().scalar(last) is None


def _waiting(stream: SignalStream) -> tuple[ColumnElement[bool], ...]:
    return Delivery.recipient == stream.id, Delivery.kind == KIND, Delivery.due_at.is_not(None)


def drop(stream: SignalStream) -> None:
    """Let nothing wait for a stream any more."""
    dropped = update(Delivery).where(*_waiting(stream))
    session().execute(dropped.values(due_at=None, answer=deliveries.NOT_WANTED))


def poll(stream: SignalStream, taken: Sequence[str], most: int) -> tuple[dict[str, str], bool]:
    """Note what a receiver has taken; return what waits for it, oldest first, and whether there is more (RFC 8936)."""
    own = (Delivery.recipient == stream.id, Delivery.kind == KIND)
    if taken:
        acknowledged = update(Delivery).where(Delivery.id.in_(taken), Delivery.due_at.is_not(None), *own)
        rows_changed(acknowledged.values(delivered_at=clock.now(), due_at=None, answer="polled"))
    client = session().get_one(Client, stream.client_id)
    if stream.status != "enabled":
        return {}, False
    waiting = select(Delivery).where(Delivery.due_at > clock.now(), *own).order_by(Delivery.created_at)
    found = session().scalars(waiting.limit(min(most, MOST_SETS) + 1)).all()
    shown = found[: min(most, MOST_SETS)]
    return {one.id: security_event_token(one, client) for one in shown}, len(found) > len(shown)


def security_event_token(delivery: Delivery, client: Client) -> str:
    """Sign an event (RFC 8417 section 2.2); there is no ``sub`` and no ``exp``, so it passes for no other token."""
    content = delivery.content
    members = dict(content["members"])
    if "at" in content:
        members["event_timestamp"] = content["at"]
    claims = {
        "iss": settings().issuer,
        "aud": client.id,
        "iat": int(clock.now().timestamp()),
        "jti": delivery.id,
        "txn": content.get("txn", delivery.id),
        "sub_id": _subject(delivery, client),
        "events": {content["type"]: members},
    }
    return sign(claims, "secevent+jwt", client.id_token_signed_response_alg)


def _subject(delivery: Delivery, client: Client) -> dict[str, Any]:
    """Name whom it is about as the application knows them (RFC 9493); a verification is about its stream."""
    content = delivery.content
    if content["user_id"] is None:
        return {"format": "opaque", "id": delivery.recipient}
    subject = subjects.of(client, content["user_id"])
    user = {"format": "iss_sub", "iss": settings().issuer, "sub": subject}
    if content["sign_in_id"] is None:
        return user
    session_id = subjects.session_of(client, content["sign_in_id"])
    return {"format": "complex", "user": user, "session": {"format": "opaque", "id": session_id}}


def _prepare(delivery: Delivery) -> Callable[[], str] | None:
    stream = session().get(SignalStream, delivery.recipient)
    client = session().get(Client, stream.client_id) if stream is not None else None
    if stream is None or client is None or not is_allowed(client) or stream.status == "disabled":
        return None
    url = stream.endpoint_url
    if url is None or not _is_sent(stream):
        kept_until = delivery.created_at + KEPT
        if kept_until <= clock.now():
            return None
        raise deliveries.Held(kept_until)
    token, allowed = security_event_token(delivery, client), reach()
    headers = {"Content-Type": "application/secevent+jwt", "Accept": "application/json"}
    if stream.authorization is not None:
        headers["Authorization"] = runtime().keys.decrypt(stream.authorization, bound_to(stream.id))

    def send() -> str:
        status = post(url, headers, token, allowed)
        if status not in (HTTPStatus.ACCEPTED, HTTPStatus.OK, HTTPStatus.NO_CONTENT):  # RFC 8935 section 2.2
            raise SendError(str(status))
        return str(status)

    return send


def is_ours(txn: str) -> bool:
    """Whether something went out under this ``txn`` that began here: what comes back under it is its echo."""
    found = session().get(Delivery, txn)
    return found is not None and found.kind == KIND and "txn" not in found.content


def bound_to(stream_id: str) -> str:
    """Return what the header of a stream is encrypted for, so that it is worth nothing in another's row."""
    return f"signal-stream:{stream_id}"


def is_allowed(client: Client) -> bool:
    """Whether an application may have a stream, still."""
    return client.enabled and SIGNALS in client.scopes and CLIENT_CREDENTIALS in client.grant_types


SIGNALS_TO_SEND = deliveries.Kind(_prepare)
