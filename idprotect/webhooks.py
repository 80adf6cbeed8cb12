"""Webhooks: what happens is told to addresses that an administrator named, signed, by the rules of Standard Webhooks.

The audit log is what they are told of: an event is written in the transaction of what it tells, and gets its place in
the log once that is committed. Each webhook has the place up to which it was told, so nothing is left out and nothing
told that was undone, and no sign-in waits for it.
"""

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy import func, select, update

from idprotect import audit, audit_chain, clock, deliveries, redirect_uris
from idprotect.audit import Event
from idprotect.errors import InteractionError, NotFound
from idprotect.models import AuditEvent, AuditHead, Delivery, User, Webhook, new_id, rows_changed, session
from idprotect.runtime import reach, runtime, settings
from idprotect.senders import Gone, SendError
from idprotect.senders.outgoing import post
from idprotect.senders.standard_webhooks import new_secret, signed

KIND = "webhook"
#: What a webhook hears of unless it is told otherwise.
USUAL_EVENTS = ("user:risk_changed", "risk:*", "sign_in:blocked", "policy:*")
#: A trial, which is no event.
TEST = "webhook:test"
#: A secret that was replaced signs as well for so long.
OVERLAP = timedelta(days=1)
BATCH = 200
#: So much may wait for one address; the rest stays in the log until there is room.
MOST_WAITING = 1000


def add(url: str, events: Sequence[str], by: str) -> tuple[Webhook, str]:
    """Add a webhook, which hears of what happens from now on; return it with its secret, which is shown this once.

    :raises InteractionError: for an address or event that cannot be.
    """
    _check_url(url)
    if unknown := [name for name in events if not _is_known(name)]:
        raise InteractionError(f"there is no event {', '.join(unknown)}")
    audit_chain.seal()
    its_id, secret = new_id(), new_secret()
    hook = Webhook(
        id=its_id,
        url=url,
        events=list(events),
        secret=_encrypted(its_id, secret),
        position=_newest_position(),
    )
    session().add(hook)
    _record(hook, by, "added")
    return hook, secret


def get(webhook_id: str) -> Webhook:
    """Return a webhook; raise NotFound when there is none."""
    hook = session().get(Webhook, webhook_id)
    if hook is None:
        raise NotFound(f"there is no webhook {webhook_id!r}")
    return hook


def remove(hook: Webhook, by: str) -> None:
    """Remove a webhook; what waits for it is not sent any more."""
    _record(hook, by, "removed")
    session().delete(hook)


def rotate_secret(hook: Webhook, by: str) -> str:
    """Give a webhook a new secret; the old one signs beside it for a day."""
    secret = new_secret()
    hook.former_secret, hook.former_until = hook.secret, clock.now() + OVERLAP
    hook.secret = _encrypted(hook.id, secret)
    _record(hook, by, "secret rotated")
    return secret


def enable(hook: Webhook, by: str) -> None:
    """Let a webhook hear again, also of what happened since it was disabled."""
    hook.disabled_at, hook.disabled_why = None, ""
    undelivered = (Delivery.recipient == hook.id, Delivery.delivered_at.is_(None), Delivery.due_at.is_(None))
    rows_changed(update(Delivery).where(*undelivered).values(due_at=clock.now(), tries=0))
    _record(hook, by, "enabled")


def put_test(hook: Webhook) -> str:
    """Put a trial into the outbox; return its id."""
    content = {"type": TEST, "timestamp": clock.now().isoformat(), "data": {"webhook": hook.id}}
    return deliveries.put(KIND, hook.id, content)


def disabled() -> Sequence[Webhook]:
    """Return the webhooks that hear nothing any more."""
    return session().scalars(select(Webhook).where(Webhook.disabled_at.is_not(None))).all()


def are_wanted() -> bool:
    """Whether any webhook wants to hear of anything."""
    return session().scalar(select(Webhook.id).where(Webhook.disabled_at.is_(None)).limit(1)) is not None


def queue_news() -> int:
    """Put what happened since into the outbox, for each webhook that wants it; return how many. Commits."""
    if not are_wanted():
        return 0
    audit_chain.seal()
    hooks = session().scalars(select(Webhook).where(Webhook.disabled_at.is_(None))).all()
    return sum(_queue_for(hook) for hook in hooks)


def _queue_for(hook: Webhook) -> int:
    queued = 0
    while _has_room(hook):
        rows = _next_events(hook)
        if not rows:
            break
        # Another worker may be at the same place: of the two one moves it on, and puts its events in.
        moved = update(Webhook).where(Webhook.id == hook.id, Webhook.position == hook.position)
        if not rows_changed(moved.values(position=rows[-1][0].position)):
            session().rollback()
            break
        for event, user in rows:
            if _wants(hook.events, event.name):
                deliveries.put(KIND, hook.id, _content(event, user))
                queued += 1
        session().commit()
        session().refresh(hook)
    return queued


def _next_events(hook: Webhook) -> Sequence[Any]:
    newer = select(AuditEvent, User).outerjoin(User, User.id == AuditEvent.user_id)
    newer = newer.where(AuditEvent.position > hook.position).order_by(AuditEvent.position)
    return session().execute(newer.limit(BATCH)).all()


def _has_room(hook: Webhook) -> bool:
    waiting = select(Delivery.id).where(Delivery.recipient == hook.id, Delivery.due_at.is_not(None))
    some = waiting.limit(MOST_WAITING).subquery()
    return (session().scalar(select(func.count()).select_from(some)) or 0) < MOST_WAITING


def _content(event: AuditEvent, user: User | None) -> dict[str, Any]:
    return {
        "type": event.name,
        "timestamp": event.at.isoformat(),
        "data": {
            "event": event.id,
            "actor": event.actor,
            "user": {"id": event.user_id, "username": user.username if user is not None else None}
            if event.user_id
            else None,
            "sign_in": event.sign_in_id,
            "client": event.client_id,
            "details": event.details,
        },
    }


def _wants(names: Sequence[str], event: str) -> bool:
    return any(name in ("*", event, f"{event.partition(':')[0]}:*") for name in names)


def _is_known(name: str) -> bool:
    return any(_wants([name], str(event)) for event in Event)


# Sending


def _prepare(delivery: Delivery) -> Callable[[], str] | None:
    hook = session().get(Webhook, delivery.recipient)
    if hook is None or hook.disabled_at is not None:
        return None
    url, body, allowed = hook.url, json.dumps(delivery.content, separators=(",", ":")), reach()
    headers = {"Content-Type": "application/json", **signed(_secrets(hook), delivery.id, clock.now(), body)}

    def send() -> str:
        status = post(url, headers, body, allowed)
        if status == HTTPStatus.GONE:  # what Standard Webhooks lets a receiver say that wants no more
            raise Gone(str(status))
        if not 200 <= status < 300:
            raise SendError(str(status))
        return str(status)

    return send


def _taken(delivery: Delivery) -> None:
    hook = session().get(Webhook, delivery.recipient)
    if hook is not None:
        hook.taken_at = clock.now()


def _given_up(delivery: Delivery) -> None:
    """Disable a webhook that took nothing since this first came up; what waits for it goes out once it is enabled."""
    hook = _not_told(delivery)
    if hook is not None and (hook.taken_at is None or hook.taken_at < delivery.created_at):
        _disable(hook, delivery.answer)


def _gone(delivery: Delivery) -> None:
    """Disable a webhook that wants no more."""
    hook = _not_told(delivery)
    if hook is not None:
        _disable(hook, delivery.answer)


def _not_told(delivery: Delivery) -> Webhook | None:
    """Write down what was not delivered; return the webhook, if it still was to hear of it."""
    hook = session().get(Webhook, delivery.recipient)
    if hook is None or hook.disabled_at is not None:
        return None
    audit.record(
        Event.WEBHOOK_NOT_DELIVERED,
        actor="system",
        webhook=hook.id,
        delivery=delivery.id,
        answer=delivery.answer,
    )
    return hook


def _disable(hook: Webhook, why: str) -> None:
    hook.disabled_at, hook.disabled_why = clock.now(), why
    audit.record(Event.WEBHOOK_DISABLED, actor="system", webhook=hook.id, answer=why)


WEBHOOKS = deliveries.Kind(_prepare, _taken, _given_up, _gone)


def _secrets(hook: Webhook) -> list[str]:
    keys = runtime().keys
    found = [keys.decrypt(hook.secret, _bound_to(hook.id))]
    if hook.former_secret is not None and hook.former_until is not None and hook.former_until > clock.now():
        found.append(keys.decrypt(hook.former_secret, _bound_to(hook.id)))
    return found


def _encrypted(webhook_id: str, secret: str) -> bytes:
    return runtime().keys.encrypt(secret, _bound_to(webhook_id))


def _bound_to(webhook_id: str) -> str:
    return f"webhook:{webhook_id}"


def _newest_position() -> int:
    return session().scalar(select(AuditHead.position)) or 0


def _record(hook: Webhook, by: str, change: str) -> None:
    audit.record(
        Event.WEBHOOK_CHANGED, actor=by, webhook=hook.id, url=hook.url, events=hook.events, change=change
    )


def _check_url(url: str) -> None:
    if problem := redirect_uris.problem(url, native=False):
        raise InteractionError(problem)
    if not url.startswith("https:") and not settings().development:
        raise InteractionError(f"{url!r} must be https")
