"""Commands about signal sources: transmitters of security events that this server listens to."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import users
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.errors import InteractionError
from idprotect.event_types import short
from idprotect.models import SignalSource, SignalSubject, User, session
from idprotect.risk.detections.shared_signal import BY_SHORT_NAME
from idprotect.roles import Role
from idprotect.signal_sources import polling, receiving, sources, subjects, transmitter, undoing
from idprotect.signal_sources.sources import Wanted
from idprotect.triage import Actor

source_group = AppGroup(
    "signal-source", help="Others whose security events raise risk here (Shared Signals)."
)
idprotect.add_command(source_group)

_REASON = click.option("--reason", required=True, help="For the audit log.")
_OPTIONS = (
    click.option("--audience", help="By which it means us: aud of its tokens."),
    click.option("--jwks-uri", help="Where its keys are; by default as its ssf-configuration says."),
    click.option(
        "--event", "events", multiple=True, help="Listened to, like risk-level-change; several by repeating."
    ),
    click.option(
        "--level-cap", type=click.Choice(list(sources.LEVELS)), help="The most that an event may raise."
    ),
    click.option(
        "--subject",
        "subjects",
        multiple=True,
        type=click.Choice(list(subjects.KINDS)),
        help="How it names people.",
    ),
    click.option(
        "--people-per-hour", type=int, help="Of more it may not raise the risk without an administrator; 20."
    ),
    click.option(
        "--application", "application_id", help="Its client id here: it is not told what it told us."
    ),
    click.option(
        "--poll-url", help="Where events are fetched (RFC 8936); otherwise they are pushed (RFC 8935)."
    ),
    click.option("--token-url", help="Where we get access tokens there, by client credentials."),
    click.option("--client-id", help="As whom we get them."),
    click.option(
        "--secret-stdin",
        is_flag=True,
        help="Read our client secret there, or a bearer token, from standard input.",
    ),
)


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@command(source_group, "add")
@click.argument("name")
@click.option("--issuer", required=True, help="To the letter.")
@_options
def add_source(name: str, issuer: str, secret_stdin: bool, **options: Any) -> Result:
    """Listen to a transmitter; the token by which it pushes is shown once."""
    given = _given(options)
    given.setdefault("jwks_uri", transmitter.jwks_uri(issuer) if "jwks_uri" not in given else None)
    given.setdefault("audience", given.get("client_id", ""))
    source, token = sources.add(
        Wanted(name=name, issuer=issuer, **given), operator(), secret=_secret(secret_stdin)
    )
    return {**_shown(source), **_with_token(source, token)}


@command(source_group, "change")
@click.argument("source_id")
@click.option("--name", help="What administrators call it.")
@click.option("--issuer", help="To the letter.")
@_options
def change_source(source_id: str, secret_stdin: bool, **options: Any) -> Result:
    """Change a source; lists are replaced, and an empty text takes something away."""
    source = sources.get(source_id)
    wanted = replace(sources.of(source), **_given(options))
    token = sources.change(source, wanted, operator(), secret=_secret(secret_stdin))
    return {**_shown(source), **_with_token(source, token)}


@command(source_group, "list")
def list_sources() -> Result:
    """List sources, and how they stand."""
    return [_shown(source) for source in sources.every()]


@command(source_group, "show")
@click.argument("source_id")
def show_source(source_id: str) -> Result:
    """Show a source, how many events had which outcome, and how many people are mapped."""
    source = sources.get(source_id)
    return {
        **_shown(source),
        "outcomes": dict(receiving.counts(source)),
        "mapped": sources.mapped_count(source),
    }


@command(source_group, "received")
@click.argument("source_id")
@click.option("--limit", default=50, show_default=True)
def list_received(source_id: str, limit: int) -> Result:
    """List what a source told, newest first, and what came of it."""
    return [
        {
            "jti": row.jti,
            "event": row.event_type,
            "received_at": row.received_at.isoformat(),
            "outcome": row.outcome,
            "user": username,
            "detection": row.detection_id,
        }
        for row, username in receiving.newest(sources.get(source_id), limit)
    ]


@command(source_group, "rotate-token")
@click.argument("source_id")
def rotate_token(source_id: str) -> Result:
    """Make a new token to push by, shown once; the old one is refused from now on."""
    source = sources.get(source_id)
    return {**_shown(source), **_with_token(source, sources.rotate_token(source, operator()))}


@command(source_group, "subscribe")
@click.argument("source_id")
def subscribe(source_id: str) -> Result:
    """Make our stream at the transmitter, with a new token where it pushes."""
    source = sources.get(source_id)
    return {**_shown(source), "stream": transmitter.subscribe(source, operator())}


@command(source_group, "verify")
@click.argument("source_id")
def verify(source_id: str) -> Result:
    """Ask the transmitter for a verification event; one that we poll is asked for it at once."""
    source = sources.get(source_id)
    transmitter.ask_for_verification(source, operator())
    if source.is_polled:
        polling.poll(source)
    return {**_shown(source), "stream_status": transmitter.status_of(source)}


@command(source_group, "poll")
@click.argument("source_id")
def poll(source_id: str) -> Result:
    """Fetch now what waits."""
    source = sources.get(source_id)
    if not source.is_polled:
        raise InteractionError("This source pushes.")
    count = polling.poll(source)
    return {"events": count, **_shown(source)}


@command(source_group, "pause")
@click.argument("source_id")
@_REASON
def pause(source_id: str, reason: str) -> Result:
    """Let what it tells have no effect any more; it is held until somebody resumes it."""
    source = sources.get(source_id)
    sources.pause(source, operator(), reason)
    return _shown(source)


@command(source_group, "resume")
@click.argument("source_id")
@click.option(
    "--release/--discard", default=None, required=True, help="Whether what was held has its effect now."
)
@_REASON
def resume(source_id: str, release: bool, reason: str) -> Result:
    """Listen to it again."""
    source = sources.get(source_id)
    count = receiving.resume(source, operator(), reason, release=release)
    session().commit()
    while release and receiving.act_on_released():
        pass
    return {**_shown(source), "released" if release else "discarded": count}


@command(source_group, "undo")
@click.argument("source_id")
@click.option("--since", required=True, help="A time like 2026-11-26T08:00, in UTC.")
@_REASON
def undo(source_id: str, since: str, reason: str) -> Result:
    """Close as false positives all that a source raised since then; sessions that it ended stay ended."""
    actor = Actor(operator(), [str(Role.ADMINISTRATOR)])
    done = undoing.undo(sources.get(source_id), _time(since), actor, reason)
    return {"closed": done.closed, "left": done.left}


@command(source_group, "map")
@click.argument("source_id")
@click.argument("subject", required=False)
@click.argument("username", required=False)
@click.option(
    "--file", "file", type=click.File(), help="Lines of sub and user name instead, with a space between."
)
def map_subject(source_id: str, subject: str | None, username: str | None, file: Any) -> Result:
    """Say who somebody is here of whom a source tells by its own sub."""
    lines = file if file is not None else [f"{subject or ''} {username or ''}"]
    found = [(sub, users.get(name)) for sub, name in _pairs(lines)]
    sources.map_subjects(sources.get(source_id), found, operator())
    return {"mapped": len(found)}


@command(source_group, "unmap")
@click.argument("source_id")
@click.argument("subject")
def unmap_subject(source_id: str, subject: str) -> Result:
    """Forget who somebody is here."""
    sources.unmap_subject(sources.get(source_id), subject, operator())
    return {"subject": subject, "mapped": False}


@command(source_group, "mapped")
@click.argument("source_id")
def list_mapped(source_id: str) -> Result:
    """List who is who."""
    mapped = select(SignalSubject.subject, User.username).join(User, User.id == SignalSubject.user_id)
    of_source = mapped.where(SignalSubject.source_id == sources.get(source_id).id)
    rows = session().execute(of_source.order_by(SignalSubject.subject))
    return [{"subject": row.subject, "username": row.username} for row in rows]


@command(source_group, "remove")
@click.argument("source_id")
@_REASON
def remove(source_id: str, reason: str) -> Result:
    """Remove a source and the log of what it told; what it raised stays (undo that first, if it was wrong)."""
    source = sources.get(source_id)
    removed = {"id": source.id, "name": source.name}
    sources.remove(source, operator(), reason)
    return {**removed, "removed": True}


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given; an empty text stands for nothing."""
    given: dict[str, Any] = {n: value or None for n, value in options.items() if value not in (None, ())}
    if "events" in given:
        given["events"] = tuple(BY_SHORT_NAME.get(name, name) for name in given["events"])
    return given


def _secret(from_stdin: bool) -> str | None:
    return sys.stdin.readline().strip() if from_stdin else None


def _pairs(lines: Iterable[str]) -> Sequence[tuple[str, str]]:
    pairs = []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) != 2:
            raise InteractionError(f"line {number}: a sub and a user name are needed")
        pairs.append((words[0], words[1]))
    return pairs


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InteractionError(f"{text!r} is no time like 2026-11-26T08:00") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _with_token(source: SignalSource, token: str | None) -> dict[str, Any]:
    return {"push_url": sources.push_url(source), "token": token} if token is not None else {}


def _shown(source: SignalSource) -> dict[str, Any]:
    def told(at: datetime | None) -> str | None:
        return at.isoformat() if at is not None else None

    return {
        "id": source.id,
        "name": source.name,
        "issuer": source.issuer,
        "audience": source.audience,
        "jwks_uri": source.jwks_uri,
        "events": [short(event) for event in source.events],
        "level_cap": source.cap.label,
        "subjects": list(source.subjects),
        "people_per_hour": source.people_per_hour,
        "application": source.application_id,
        "delivery": "poll" if source.is_polled else "push",
        "endpoint": source.poll_url or sources.push_url(source),
        "state": sources.state(source),
        "held_why": source.held_why,
        "held": receiving.held_count(source),
        "received_at": told(source.received_at),
        "verified_at": told(source.verified_at),
        "stream_status": source.stream_status,
        "failed_at": told(source.failed_at),
        "failed_why": source.failed_why,
    }
