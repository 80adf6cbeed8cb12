"""Commands about users: accounts, leaked passwords."""

import sys
from datetime import UTC, datetime
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import learning, users
from idprotect.cli import shown
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.errors import NotFound
from idprotect.models import User, session
from idprotect.risk import RiskLevel
from idprotect.runtime import runtime

user_group = AppGroup("user", help="Users, their risk and their sessions.")
idprotect.add_command(user_group)


@command(user_group, "create")
@click.argument("username")
@click.option("--name", default="")
@click.option("--email")
@click.option("--group", "groups", multiple=True)
@click.option("--administrator", is_flag=True)
@click.option("--role", "roles", multiple=True, help="In the console, or any that policies name.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_user(
    username: str,
    name: str,
    email: str | None,
    groups: tuple[str, ...],
    administrator: bool,
    roles: tuple[str, ...],
    password_stdin: bool,
) -> Result:
    """Create a user; without --password-stdin a temporary password is made and shown once."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    roles += (users.ADMINISTRATOR,) if administrator else ()
    user = users.create(username, password, by=operator(), name=name, email=email, groups=groups, roles=roles)
    made = shown.user(user)
    if password is None:
        made["temporary_password"] = users.set_temporary_password(user, operator())
    return made


@command(user_group, "roles")
@click.argument("username")
@click.argument("roles", nargs=-1)
def set_roles(username: str, roles: tuple[str, ...]) -> Result:
    """Give a user these roles and no others: reader, help_desk, operator, policy_editor, administrator, or your own."""
    user = users.get(username)
    users.set_roles(user, roles, operator())
    return shown.user(user)


@command(user_group, "claims")
@click.argument("username")
@click.argument("changes", nargs=-1)
def set_claims(username: str, changes: tuple[str, ...]) -> Result:
    """Show or set standard claims: given_name=Ada address.locality=London email_verified=true; an empty one goes."""
    user = users.get(username)
    if changes:
        users.set_claims(user, dict(change.partition("=")[::2] for change in changes), operator())
    return dict(runtime().directory.claims(user))


@command(user_group, "list")
@click.option("--at-risk", is_flag=True)
def list_users(at_risk: bool) -> Result:
    """List users."""
    statement = select(User).order_by(User.username)
    if at_risk:
        statement = statement.where(User.risk_level > int(RiskLevel.NONE))
    return [shown.user(user) for user in session().scalars(statement)]


@command(user_group, "show")
@click.argument("username")
def show_user(username: str) -> Result:
    """Show a user by name or id: risk, detections with their reasons, history, and what can be undone."""
    user = runtime().directory.find(username) or session().get(User, username)
    if user is not None:
        return {**shown.user(user), "learning_since": _learning_since(user), **shown.risk(user.id)}
    if shown.history(username):
        return {"id": username, "deleted": True, **shown.risk(username)}
    raise NotFound(f"no user is called {username!r}")


def _learning_since(user: User) -> str | None:
    """Return when we began to learn how the user signs in; None before the first sign-in that ended well."""
    since = learning.profile(user.id).since
    return datetime.fromtimestamp(since, UTC).isoformat() if since is not None else None


@command(user_group, "delete")
@click.argument("username")
@click.option("--reason", required=True)
def delete_user(username: str, reason: str) -> Result:
    """Delete a user; sessions and tokens end, sign-ins and risk stay until they are purged or closed."""
    user = users.get(username)
    deleted = {"id": user.id, "username": user.username}
    users.delete(user, operator(), reason)
    return {**deleted, "deleted": True}


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
