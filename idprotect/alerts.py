"""Mail to administrators: when somebody reaches the level of risk, and when a webhook is disabled; one for a burst.

The sealed audit log is gone through; what was found last is mailed when the first of it is as old as the window. So of
a hundred accounts that are sprayed in a minute one mail tells.
"""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from sqlalchemy import func, select

from idprotect import audit, audit_chain, clock, mails, progress
from idprotect.audit import Event
from idprotect.models import AuditEvent, AuditHead, RiskDetection, User, Webhook, session
from idprotect.protection import IS_OPEN
from idprotect.risk import RiskLevel
from idprotect.runtime import settings

NAME = "alerts"
#: What moves somebody's risk (a change of level counts when it went up), and what silences a webhook.
NEWS = [
    str(event)
    for event in (
        Event.RISK_DETECTED,
        Event.RISK_REACTIVATED,
        Event.RISK_DISMISSAL_UNDONE,
        Event.USER_RISK_CHANGED,
        Event.WEBHOOK_DISABLED,
    )
]
MOST_EVENTS = 2000
LISTED_PEOPLE, LISTED_REASONS = 100, 3


def are_wanted() -> bool:
    """Whether there is a way to mail what happens."""
    return mails.are_sent()


def queue_due() -> int:
    """Put into the outbox what administrators should know by now; return how many mails. Commits."""
    if not are_wanted():
        return 0
    audit_chain.seal()
    place = progress.of(NAME)
    if place is None:
        progress.begin(NAME, session().scalar(select(AuditHead.position)) or 0)
        session().commit()
        return 0
    events = _news(place)
    if not events or clock.now() < events[0].at + timedelta(seconds=settings().alert_window):
        session().rollback()
        return 0
    if not progress.move(NAME, place, events[-1].position or place):
        session().rollback()
        return 0
    queued = _mail_about_people(_concerned(events)) + _mail_about_webhooks(_silenced(events))
    session().commit()
    return queued


def _news(place: int) -> Sequence[AuditEvent]:
    newer = select(AuditEvent).where(AuditEvent.name.in_(NEWS), AuditEvent.position > place)
    return session().scalars(newer.order_by(AuditEvent.position).limit(MOST_EVENTS)).all()


def _concerned(events: Sequence[AuditEvent]) -> list[User]:
    """Return whom something new was found of, who stand at the level still, the highest first."""
    if not settings().alert_level:
        return []
    ids = {event.user_id for event in events if event.user_id and _is_worse(event)}
    level = RiskLevel.parse(settings().alert_level)
    found = select(User).where(User.id.in_(ids), User.risk_level >= int(level), ~User.simulated)
    people = session().scalars(found.order_by(User.risk_level.desc(), User.username)).all()
    return [user for user in people if not _was_mailed_lately(user)]


def _is_worse(event: AuditEvent) -> bool:
    if event.name != Event.USER_RISK_CHANGED:
        return True
    return RiskLevel.parse(event.details["level"]) > RiskLevel.parse(event.details["before"])


def _was_mailed_lately(user: User) -> bool:
    """Whether the rule about repeats keeps quiet: the same person, not at a higher level than last time."""
    since = clock.now() - timedelta(seconds=settings().alert_repeat)
    mailed = select(AuditEvent.details).where(
        AuditEvent.user_id == user.id, AuditEvent.name == str(Event.ALERT_QUEUED), AuditEvent.at > since
    )
    last = session().scalars(mailed.order_by(AuditEvent.id.desc()).limit(1)).first()
    return last is not None and RiskLevel.parse(last["level"]) >= user.risk


def _mail_about_people(people: Sequence[User]) -> int:
    addresses = mails.recipients()
    if not people or not addresses:
        return 0
    who = "one person is at risk" if len(people) == 1 else f"{len(people)} people are at risk"
    lines = [line for user in people[:LISTED_PEOPLE] for line in _about(user)]
    if len(people) > LISTED_PEOPLE:
        lines += [f"And {len(people) - LISTED_PEOPLE} more: see the list of risky users.", ""]
    _put(addresses, who, lines)
    for user in people:
        audit.record(Event.ALERT_QUEUED, actor="system", user_id=user.id, level=user.risk.label)
    return len(addresses)


def _put(addresses: Sequence[str], what: str, lines: Sequence[str]) -> None:
    name, heading = settings().brand_name, f"{what[0].upper()}{what[1:]} at {settings().issuer}:"
    for address in addresses:
        mails.put(address, f"{name}: {what}", "\n".join([heading, "", *lines, name, ""]), "alert")


def _about(user: User) -> list[str]:
    lines = [f"{user.username}: {user.risk.label}, {user.risk_state.replace('_', ' ')}"]
    lines += [f"  - {reason}" for reason in _reasons(user)]
    if settings().admin_path:
        lines.append(f"  {settings().issuer}{settings().admin_path}/users/{user.id}")
    return [*lines, ""]


def _reasons(user: User) -> list[str]:
    """Return what is open, in a few words: names alone, for a mail is read by whoever holds the mailbox."""
    counted = select(RiskDetection.name, func.count()).where(RiskDetection.user_id == user.id, IS_OPEN)
    found = session().execute(counted.group_by(RiskDetection.name).order_by(func.count().desc())).all()
    return [f"{name.replace('_', ' ')} ({count})" for name, count in found[:LISTED_REASONS]]


# Webhooks


def _silenced(events: Sequence[AuditEvent]) -> Sequence[Webhook]:
    """Return which webhooks were disabled, and nobody enabled since."""
    ids = {event.details["webhook"] for event in events if event.name == Event.WEBHOOK_DISABLED}
    found = select(Webhook).where(Webhook.id.in_(ids), Webhook.disabled_at.is_not(None))
    return session().scalars(found.order_by(Webhook.disabled_at)).all() if ids else ()


def _mail_about_webhooks(hooks: Sequence[Webhook]) -> int:
    addresses = mails.recipients()
    if not hooks or not addresses:
        return 0
    what = "one webhook is disabled" if len(hooks) == 1 else f"{len(hooks)} webhooks are disabled"
    _put(addresses, what, [line for hook in hooks for line in _about_webhook(hook)])
    return len(addresses)


def _about_webhook(hook: Webhook) -> list[str]:
    """Return what to do; of the address the host alone, for the rest may be a secret."""
    return [
        f"{urlsplit(hook.url).hostname}: its last answer was {hook.disabled_why}",
        "  It hears nothing more. Nothing is lost: it is told all of it once it is enabled again,",
        f"  flask idprotect webhook enable {hook.id}",
        "",
    ]
