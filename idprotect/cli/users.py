"""Commands about users: accounts, risk, sessions, leaked passwords."""

import sys
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import protection, sessions, throttle, users
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.models import RiskDetection, RiskHistory, User, session
from idprotect.risk import RiskLevel

user_group = AppGroup("user", help="Users, their risk and their sessions.")
idprotect.add_command(user_group)


@command(user_group, "create")
@click.argument("username")
@click.option("--name", default="")
@click.option("--email")
@click.option("--group", "groups", multiple=True)
@click.option("--administrator", is_flag=True)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_user(
    username: str,
    name: str,
    email: str | None,
    groups: tuple[str, ...],
    administrator: bool,
    password_stdin: bool,
) -> Result:
    """Create a user; without --password-stdin a temporary password is made and shown once."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    roles = (users.ADMINISTRATOR,) if administrator else ()
    user = users.create(username, password, by=operator(), name=name, email=email, groups=groups, roles=roles)
    shown = _user(user)
    if password is None:
        shown["temporary_password"] = users.set_temporary_password(user, operator())
    return shown


@command(user_group, "list")
@click.option("--at-risk", is_flag=True)
def list_users(at_risk: bool) -> Result:
    """List users."""
    statement = select(User).order_by(User.username)
    if at_risk:
        statement = statement.where(User.risk_level > int(RiskLevel.NONE))
    return [_user(user) for user in session().scalars(statement)]


@command(user_group, "risk")
@click.argument("username")
def show_risk(username: str) -> Result:
    """Show a user's risk: level, detections with their reasons, and history."""
    user = users.get(username)
    of_user = (RiskDetection.user_id == user.id,)
    detections = (
        session().scalars(select(RiskDetection).where(*of_user).order_by(RiskDetection.detected_at)).all()
    )
    history = session().scalars(
        select(RiskHistory).where(RiskHistory.user_id == user.id).order_by(RiskHistory.id)
    )
    return {
        **_user(user),
        "detections": [describe_detection(row) for row in detections],
        "history": [
            {
                "at": row.at.isoformat(),
                "change": f"{RiskLevel(row.from_level).label} -> {RiskLevel(row.to_level).label}",
                "state": row.state,
                "detail": row.detail,
                "by": row.actor,
                "cause": row.cause,
            }
            for row in history
        ],
    }


@command(user_group, "temporary-password")
@click.argument("username")
def temporary_password(username: str) -> Result:
    """Replace a user's password by one that works once; sessions end, risk is closed, a new one is forced."""
    user = users.get(username)
    return {"user": user.username, "temporary_password": users.set_temporary_password(user, operator())}


@command(user_group, "confirm-compromised")
@click.argument("username")
@click.option("--note", default="")
@click.option("--keep-sessions", is_flag=True)
def confirm_compromised(username: str, note: str, keep_sessions: bool) -> Result:
    """Confirm that an identity is compromised; its sessions and tokens end."""
    user = users.get(username)
    protection.confirm_compromised(user, operator(), note, end_sessions=not keep_sessions)
    return _user(user)


@command(user_group, "confirm-safe")
@click.argument("username")
@click.option("--reason", required=True)
def confirm_safe(username: str, reason: str) -> Result:
    """Confirm that an identity is in its owner's hands."""
    user = users.get(username)
    protection.confirm_safe(user, operator(), reason)
    return _user(user)


@command(user_group, "dismiss")
@click.argument("username")
@click.option("--reason", required=True)
def dismiss(username: str, reason: str) -> Result:
    """Dismiss a user's risk; password and sessions stay as they are."""
    user = users.get(username)
    protection.dismiss(user, operator(), reason)
    return _user(user)


@command(user_group, "revoke-sessions")
@click.argument("username")
def revoke_sessions(username: str) -> Result:
    """End all sign-ins of a user, with their tokens."""
    user = users.get(username)
    return {"user": user.username, "ended": sessions.end_all(user.id, "revoked", actor=operator())}


@command(user_group, "enable")
@click.argument("username")
def enable(username: str) -> Result:
    """Let a user sign in again, also after too many wrong passwords."""
    user = users.get(username)
    users.set_enabled(user, True, operator())
    throttle.forget_all(users.password_key(user.username))
    return _user(user)


@command(user_group, "disable")
@click.argument("username")
def disable(username: str) -> Result:
    """Stop a user from signing in; sessions and tokens end."""
    user = users.get(username)
    users.set_enabled(user, False, operator())
    return _user(user)


@command(idprotect, "import-leaks")
@click.argument("file", type=click.File("r", errors="replace"))
@click.option("--source", default="a file", help="Where the pairs come from, for the administrator.")
def import_leaks(file: Any, source: str) -> Result:
    """Compare leaked pairs (``name:password`` lines) with stored passwords; what matches is a high user risk."""
    lines, matches, problems = 0, [], []
    for number, line in enumerate(file, 1):
        name, colon, password = line.rstrip("\r\n").partition(":")
        if not line.strip():
            continue
        if not colon or not password:
            problems.append(f"line {number}: no name:password")
            continue
        lines += 1
        if users.import_leaked_pair(name, password, source):
            matches.append(name)
    return {"pairs": lines, "matches": matches, "problems": problems}


def _user(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "groups": list(user.groups),
        "roles": list(user.roles),
        "enabled": user.enabled,
        "risk_level": user.risk.label,
        "risk_state": user.risk_state,
        "risk_detail": user.risk_detail,
    }


def describe_detection(row: RiskDetection) -> dict[str, Any]:
    """Return a detection as it is shown."""
    return {
        "id": row.id,
        "at": row.detected_at.isoformat(),
        "name": row.name,
        "level": row.risk.label,
        "state": row.state,
        "detail": row.detail,
        "reasons": list(row.reasons),
        "sign_in": row.sign_in_id,
        "closed_by": row.closed_by,
    }
