"""What one application has asked for: its stream, how it is delivered, whom it is about (SSF section 8.1)."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.exc import IntegrityError

from idprotect import audit, clock, redirect_uris
from idprotect.audit import Event
from idprotect.errors import InteractionError
from idprotect.models import Client, SignalStream, new_id, rows_changed, session
from idprotect.oidc import subjects
from idprotect.runtime import runtime, settings
from idprotect.shared_signals import telling
from idprotect.shared_signals.events import SUPPORTED

PUSH, POLL = "urn:ietf:rfc:8935", "urn:ietf:rfc:8936"
STATUSES = ("enabled", "paused", "disabled")
MOST_REMOVED, LONGEST_TEXT = 1000, 1024
#: Between two verifications, in seconds.
MIN_VERIFICATION_INTERVAL = 60


class InvalidStream(InteractionError):
    """What was asked for cannot be done; the message says why."""


class TooOften(InteractionError):
    """A verification was asked for a moment ago."""


class StreamExists(InteractionError):
    """An application has one stream."""


def of(client: Client) -> SignalStream | None:
    """Return the stream of an application, as it is stored now."""
    return session().scalar(select(SignalStream).where(SignalStream.client_id == client.id).with_for_update())


def create(client: Client, wanted: Any) -> SignalStream:
    """Make the application's stream.

    :raises StreamExists: there is one.
    :raises InvalidStream: it cannot be as wanted.
    """
    if of(client) is not None:
        raise StreamExists("This application has a stream already.")
    stream = SignalStream(id=new_id(), client_id=client.id, status="enabled", removed_users=[])
    _set(stream, {"delivery": {"method": POLL}, "events_requested": list(SUPPORTED), **_object(wanted)})
    session().add(stream)
    try:
        session().flush()
    except IntegrityError:  # at the same moment
        session().rollback()
        raise StreamExists("This application has a stream already.") from None
    _record(stream, "created", after=_standing(stream))
    return stream


def change(stream: SignalStream, wanted: Any, *, replace: bool) -> None:
    """Change a stream: what is named (PATCH), or all that an application decides (PUT).

    :raises InvalidStream: it cannot be as wanted, and stays as it is.
    """
    defaults: dict[str, Any] = {"events_requested": [], "description": None} if replace else {}
    if replace and "delivery" not in _object(wanted):
        raise InvalidStream("delivery is missing.")
    before, was_pushed = _standing(stream), stream.is_pushed
    _set(stream, {**defaults, **_object(wanted)})
    _record(stream, "configured", before=before, after=_standing(stream))
    if stream.is_pushed != was_pushed:
        telling.reschedule(stream)


def delete(stream: SignalStream) -> None:
    """Forget a stream, and what waits for it."""
    telling.drop(stream)
    _record(stream, "deleted", before=_standing(stream))
    session().delete(stream)


def set_status(stream: SignalStream, wanted: Any) -> None:
    """Enable, pause or disable a stream; what happens meanwhile is held while it is paused, lost while disabled."""
    status, reason = _object(wanted).get("status"), _text(_object(wanted), "reason")
    if status not in STATUSES:
        raise InvalidStream(f"status is not one of {', '.join(STATUSES)}.")
    before = _standing(stream)
    stream.status, stream.reason = status, reason
    _record(stream, "status set", before=before, after=_standing(stream))
    if status == "disabled":
        telling.drop(stream)
    else:
        telling.reschedule(stream)


def set_subject(client: Client, stream: SignalStream, wanted: Any, *, told: bool) -> None:
    """Let an application hear of a person again, or no more. It hears of everybody who signed in to it by default."""
    user_id = _user_id(client, _object(wanted).get("subject"))
    others = [one for one in stream.removed_users if one != user_id]
    if len(others) >= MOST_REMOVED:
        raise InvalidStream("Too many people were removed.")
    stream.removed_users = others if told else [*others, user_id]
    _record(stream, "subject added" if told else "subject removed", user_id=user_id)


def verify(stream: SignalStream, wanted: Any) -> None:
    """Send a verification event (section 8.1.4.2).

    :raises InvalidStream: for a state that is no text, or too long.
    :raises TooOften: within :data:`MIN_VERIFICATION_INTERVAL` of the one before (section 8.1.1).
    """
    state, now = _text(_object(wanted), "state"), clock.now()
    is_time = or_(
        SignalStream.verified_at.is_(None),
        SignalStream.verified_at <= now - timedelta(seconds=MIN_VERIFICATION_INTERVAL),
    )
    asked = update(SignalStream).where(SignalStream.id == stream.id, is_time)
    if not rows_changed(asked.values(verified_at=now)):
        raise TooOften(f"Between two verifications are {MIN_VERIFICATION_INTERVAL} seconds.")
    telling.put_verification(stream, state)


def described(stream: SignalStream) -> dict[str, Any]:
    """Return the configuration (section 8.1.1)."""
    delivery: dict[str, Any] = {"method": PUSH if stream.is_pushed else POLL}
    delivery["endpoint_url"] = stream.endpoint_url or f"{settings().issuer}/ssf/poll"
    return {
        "stream_id": stream.id,
        "iss": settings().issuer,
        "aud": stream.client_id,
        "delivery": delivery,
        "events_supported": list(SUPPORTED),
        "events_requested": list(stream.events),
        "events_delivered": [event for event in SUPPORTED if event in stream.events],
        "min_verification_interval": MIN_VERIFICATION_INTERVAL,
        **({"description": stream.description} if stream.description else {}),
    }


def metadata() -> dict[str, Any]:
    """Return what a receiver finds at ``/.well-known/ssf-configuration`` (section 7.1)."""
    issuer = settings().issuer
    return {
        "spec_version": "1_0",
        "issuer": issuer,
        "jwks_uri": f"{issuer}/jwks",
        "delivery_methods_supported": [PUSH, POLL],
        "configuration_endpoint": f"{issuer}/ssf/stream",
        "status_endpoint": f"{issuer}/ssf/status",
        "add_subject_endpoint": f"{issuer}/ssf/subjects/add",
        "remove_subject_endpoint": f"{issuer}/ssf/subjects/remove",
        "verification_endpoint": f"{issuer}/ssf/verification",
        "authorization_schemes": [{"spec_urn": "urn:ietf:rfc:6749"}],
        "default_subjects": "ALL",
    }


def _record(stream: SignalStream, change: str, *, user_id: str | None = None, **standing: Any) -> None:
    audit.record(
        Event.STREAM_CHANGED,
        actor=f"client:{stream.client_id}",
        user_id=user_id,
        client_id=stream.client_id,
        stream=stream.id,
        change=change,
        **standing,
    )


def _standing(stream: SignalStream) -> dict[str, Any]:
    """Return what an administrator may want to compare; of the header, only whether there is one."""
    return {
        "method": PUSH if stream.is_pushed else POLL,
        "endpoint_url": stream.endpoint_url,
        "has_authorization_header": stream.authorization is not None,
        "status": stream.status,
        "reason": stream.reason,
        "events": list(stream.events),
    }


def _set(stream: SignalStream, wanted: Mapping[str, Any]) -> None:
    """Check everything, then store it."""
    values: dict[str, Any] = {}
    if "events_requested" in wanted:
        events = wanted["events_requested"]
        if not isinstance(events, list) or len(events) > 100 or not all(map(is_text, events)):
            raise InvalidStream("events_requested is a list of event types.")
        values["events"] = list(dict.fromkeys(event[:256] for event in events))
    if "description" in wanted:
        values["description"] = _text(wanted, "description")
    if "delivery" in wanted:
        values |= _delivery(stream.id, wanted["delivery"])
    for name, value in values.items():
        setattr(stream, name, value)


def _delivery(stream_id: str, delivery: Any) -> dict[str, Any]:
    method = _object(delivery).get("method")
    if method == POLL:
        return {"endpoint_url": None, "authorization": None}
    if method != PUSH:
        raise InvalidStream(f"delivery.method is not one of {PUSH}, {POLL}.")
    url, header = _text(delivery, "endpoint_url"), _text(delivery, "authorization_header")
    if url is None or (reason := redirect_uris.problem(url, native=False)):
        raise InvalidStream(f"delivery.endpoint_url: {reason if url else 'it is missing'}.")
    if header is not None and not (header.isascii() and header.isprintable()):
        raise InvalidStream("delivery.authorization_header is printable ASCII.")
    hidden = runtime().keys.encrypt(header, telling.bound_to(stream_id)) if header else None
    return {"endpoint_url": url, "authorization": hidden}


def _user_id(client: Client, subject: Any) -> str:
    """Return whom a subject names, in the form in which the application is told of people (RFC 9493 section 3.2.1)."""
    named = _object(subject)
    value = named.get("sub")
    if (
        named.get("format") != "iss_sub"
        or named.get("iss") != settings().issuer
        or not isinstance(value, str)
    ):
        raise InvalidStream("subject is an iss_sub of this issuer.")
    user_id = subjects.user_of(client, value) if value.isprintable() else None
    if user_id is None or len(user_id) > 32:
        raise InvalidStream("Nobody is known by this sub.")
    return user_id


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidStream("A JSON object is needed.")
    return value


def is_text(value: Any) -> bool:
    """Whether it is text that can be stored and sent: JSON lets control characters and half surrogates through."""
    return isinstance(value, str) and value.isprintable()


def _text(wanted: Any, name: str) -> str | None:
    value = wanted.get(name)
    if value is not None and not (is_text(value) and len(value) <= LONGEST_TEXT):
        raise InvalidStream(f"{name} is printable text of at most {LONGEST_TEXT} characters.")
    return value or None
