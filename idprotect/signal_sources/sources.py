"""Which signal sources there are, what each may do, and what administrators do about them."""

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from idprotect import audit, clock, redirect_uris
from idprotect.audit import Event
from idprotect.errors import InteractionError, NotFound
from idprotect.keys import sha256
from idprotect.models import Client, SignalSource, SignalSubject, User, new_id, session
from idprotect.risk import RiskLevel
from idprotect.risk.detections.shared_signal import RULES, USUAL
from idprotect.runtime import runtime, settings
from idprotect.signal_sources import subjects

LONGEST_NAME, LONGEST_URL, LONGEST_SECRET, LONGEST_SUBJECT = 64, 2048, 4096, 255
MOST_PEOPLE = 100_000
LEVELS = {level.label: level for level in RiskLevel if level}


@dataclass(frozen=True)
class Wanted:
    """How a source is to be: the words of :class:`SignalSource`, and those of the command line and the console.

    :param level_cap: ``low``, ``medium`` or ``high``.
    """

    name: str
    issuer: str
    audience: str
    jwks_uri: str
    events: Sequence[str] = USUAL
    level_cap: str = RiskLevel.HIGH.label
    subjects: Sequence[str] = (subjects.ISS_SUB,)
    people_per_hour: int = 20
    application_id: str | None = None
    poll_url: str | None = None
    token_url: str | None = None
    client_id: str | None = None


def of(source: SignalSource) -> Wanted:
    """Return how a source is."""
    values = {each.name: getattr(source, each.name) for each in fields(Wanted)}
    return Wanted(**{**values, "level_cap": source.cap.label})


def every() -> Sequence[SignalSource]:
    """Return all sources by their names."""
    return session().scalars(select(SignalSource).order_by(SignalSource.name)).all()


def get(its_id: str) -> SignalSource:
    """Return a source by id or name; raise NotFound when there is none."""
    found = session().get(SignalSource, its_id)
    found = found or session().scalar(select(SignalSource).where(SignalSource.name == its_id))
    if found is None:
        raise NotFound(f"there is no signal source {its_id!r}")
    return found


def add(
    wanted: Wanted, by: str, *, secret: str | None = None, reason: str = ""
) -> tuple[SignalSource, str | None]:
    """Add a source; return it with the token by which it pushes, which is shown this once; None for one that we poll.

    :param secret: by which we prove at the transmitter who we are.
    :raises InteractionError: for what cannot be, with the field.
    """
    source = SignalSource(id=new_id())
    _set(source, wanted)
    _set_secret(source, secret)
    _check_secret(source)
    token = None if source.is_polled else _new_token(source)
    session().add(source)
    _flush()
    record(source, by, "added", reason=reason, after=_standing(source))
    return source, token


def change(
    source: SignalSource, wanted: Wanted, by: str, *, secret: str | None = None, reason: str = ""
) -> str | None:
    """Change a source; return its new token where it is from now on pushed.

    :param secret: None: as it was.
    """
    before = _standing(source)
    _set(source, wanted)
    if secret:
        _set_secret(source, secret)
    _check_secret(source)
    token = _new_token(source) if not source.is_polled and source.token_hash is None else None
    _flush()
    record(source, by, "changed", reason=reason, before=before, after=_standing(source))
    return token


def rotate_token(source: SignalSource, by: str, reason: str = "") -> str:
    """Give a source a new token to push by; the old one is refused from now on.

    :raises InteractionError: for one that we poll.
    """
    if source.is_polled:
        raise InteractionError("We fetch from this source: it has no token here.")
    token = _new_token(source)
    record(source, by, "token rotated", reason=reason)
    return token


def remove(source: SignalSource, by: str, reason: str = "") -> None:
    """Remove a source with the log of what it told. What it raised stays, and is closed like anything else."""
    record(source, by, "removed", reason=reason, before=_standing(source))
    session().delete(source)


def pause(source: SignalSource, by: str, reason: str) -> None:
    """Let what a source tells have no effect any more, until somebody resumes it; it is kept meanwhile.

    :raises InteractionError: when it is so already.
    """
    if source.held_since is not None:
        raise InteractionError(f"What this source tells is held already: {source.held_why}.")
    hold(source, f"{by} paused it")
    record(source, by, "paused", reason=reason)


def hold(source: SignalSource, why: str) -> None:
    """Keep what comes, from now on."""
    source.held_since, source.held_why = clock.now(), why[:256]


def move(source: SignalSource, poll_url: Any) -> None:
    """Fetch events where the transmitter says, if that can be."""
    if isinstance(poll_url, str) and _url_problem(poll_url) is None:
        source.poll_url = poll_url


def note_failure(source: SignalSource, why: str) -> None:
    """Remember what went wrong last."""
    source.failed_at, source.failed_why = clock.now(), why[:256]


def map_subjects(source: SignalSource, pairs: Collection[tuple[str, User]], by: str) -> None:
    """Say who somebody is here of whom a source tells by its own ``sub``.

    :raises InteractionError: for a ``sub`` that cannot be.
    """
    for subject, user in pairs:
        if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
            raise InteractionError(f"A sub is printable text of at most {LONGEST_SUBJECT} characters.")
        session().merge(SignalSubject(source_id=source.id, subject=subject, user_id=user.id))
    record(
        source, by, "subjects mapped", user_ids=sorted({user.id for _, user in pairs})[:100], count=len(pairs)
    )


def unmap_subject(source: SignalSource, subject: str, by: str) -> None:
    """Forget who somebody is here; raise NotFound when nobody knew."""
    found = session().get(SignalSubject, (source.id, subject))
    if found is None:
        raise NotFound(f"{subject!r} stands for nobody")
    session().execute(
        delete(SignalSubject).where(SignalSubject.source_id == source.id, SignalSubject.subject == subject)
    )
    record(source, by, "subject unmapped", user_ids=[found.user_id])


def mapped_count(source: SignalSource) -> int:
    """Return of how many of a source's own subs it is known who they are."""
    mapped = select(func.count()).select_from(SignalSubject).where(SignalSubject.source_id == source.id)
    return session().scalar(mapped) or 0


def state(source: SignalSource) -> str:
    """Return how a source stands, in a word."""
    if source.held_since is not None:
        return "held"
    if _is_failing(source):
        return "failing"
    return "listening" if source.received_at is not None else "silent"


def _is_failing(source: SignalSource) -> bool:
    """Whether the last that was heard, or asked for, was wrong."""
    if source.is_polled:
        return source.poll_failures > 0
    failed_at, received_at = source.failed_at, source.received_at
    return failed_at is not None and (received_at is None or received_at < failed_at)


def push_url(source: SignalSource) -> str:
    """Return where the source sends events to (RFC 8935)."""
    return f"{settings().issuer}/signals/{source.id}"


def secret_of(source: SignalSource) -> str | None:
    """Return by what we prove at the transmitter who we are."""
    return runtime().keys.decrypt(source.secret, bound_to(source)) if source.secret is not None else None


def bound_to(source: SignalSource) -> str:
    """Return what the secrets of a source are encrypted for, so that they are worth nothing in another's row."""
    return f"signal-source:{source.id}"


def actor(source: SignalSource) -> str:
    """Return who a source is in the audit log and in the history of risk."""
    return f"signal-source:{source.name}"


def record(source: SignalSource, by: str, change: str, **more: Any) -> None:
    """Write down what somebody did about a source."""
    more = {name: value for name, value in more.items() if value != ""}
    audit.record(
        Event.SIGNAL_SOURCE_CHANGED, actor=by, source=source.id, name=source.name, change=change, **more
    )


def _standing(source: SignalSource) -> dict[str, Any]:
    """Return what an administrator may want to compare; of secrets, only whether there is one."""
    wanted = of(source)
    shown = {each.name: getattr(wanted, each.name) for each in fields(Wanted)}
    return {**shown, "has_secret": source.secret is not None}


def _new_token(source: SignalSource) -> str:
    token = secrets.token_urlsafe(32)
    source.token_hash = sha256(token)
    return token


def _set_secret(source: SignalSource, secret: str | None) -> None:
    if secret is not None and (
        len(secret) > LONGEST_SECRET or not (secret.isascii() and secret.isprintable())
    ):
        raise InteractionError("The secret is printable ASCII.", "secret")
    source.secret = runtime().keys.encrypt(secret, bound_to(source)) if secret else None
    source.access_token = source.access_token_until = None


def _check_secret(source: SignalSource) -> None:
    if source.is_polled and source.secret is None:
        raise InteractionError("To fetch, we need a token or a client secret there.", "secret")


def _set(source: SignalSource, wanted: Wanted) -> None:
    """Check everything, then store it."""
    _check(wanted)
    for each in fields(Wanted):
        value = getattr(wanted, each.name)
        setattr(source, each.name, list(value) if isinstance(value, tuple) else value)
    source.level_cap = int(LEVELS[wanted.level_cap])
    if source.is_polled:
        source.token_hash, source.poll_due_at = None, clock.now()
    else:
        source.poll_due_at = None


def _check(wanted: Wanted) -> None:
    for name in ("name", "issuer", "audience", "jwks_uri"):
        text = getattr(wanted, name)
        if (
            not text
            or not text.isprintable()
            or len(text) > (LONGEST_NAME if name == "name" else LONGEST_URL)
        ):
            raise InteractionError("This is needed, as printable text that is not too long.", name)
    for name in ("issuer", "jwks_uri", "poll_url", "token_url"):
        url = getattr(wanted, name)
        if url is not None and (problem := _url_problem(url)):
            raise InteractionError(problem, name)
    if unknown := sorted(set(wanted.events) - RULES.keys()):
        raise InteractionError(f"There is no event {', '.join(unknown)}.", "events")
    if not wanted.events:
        raise InteractionError("At least one event has to be listened to.", "events")
    if not wanted.subjects or set(wanted.subjects) - set(subjects.KINDS):
        raise InteractionError(f"People are named by {', '.join(subjects.KINDS)}.", "subjects")
    if wanted.level_cap not in LEVELS:
        raise InteractionError(f"The level is one of {', '.join(LEVELS)}.", "level_cap")
    if not isinstance(wanted.people_per_hour, int) or not 0 < wanted.people_per_hour <= MOST_PEOPLE:
        raise InteractionError(f"This is a number from 1 to {MOST_PEOPLE:,}.", "people_per_hour")
    if (wanted.token_url is None) is not (wanted.client_id is None):
        raise InteractionError("To get access tokens we need both, an address and a client id.", "client_id")
    if wanted.client_id is not None and (
        len(wanted.client_id) > LONGEST_URL or not wanted.client_id.isprintable()
    ):
        raise InteractionError("A client id is printable text.", "client_id")
    if wanted.application_id is not None and session().get(Client, wanted.application_id) is None:
        raise InteractionError("No application has this client id here.", "application_id")


def _url_problem(url: str) -> str | None:
    if len(url) > LONGEST_URL:
        return "The address is too long."
    if problem := redirect_uris.problem(url, native=False):
        return f"{problem[0].upper()}{problem[1:]}."
    if not url.startswith("https:") and not settings().development:
        return "The address must be https."
    return None


def _flush() -> None:
    try:
        session().flush()
    except IntegrityError:
        session().rollback()
        raise InteractionError("Another source has this name.", "name") from None
