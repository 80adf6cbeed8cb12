"""Commands about a user's risk as a whole: confirm, dismiss, undo, recover."""

import click

from idprotect import protection, users
from idprotect.cli import shown
from idprotect.cli.base import Result, command, operator
from idprotect.cli.users import user_group


@command(user_group, "confirm-compromised")
@click.argument("username")
@click.option("--reason", "--note", "note", default="", help="What it is known from.")
@click.option("--keep-sessions", is_flag=True)
def confirm_compromised(username: str, note: str, keep_sessions: bool) -> Result:
    """Confirm that an identity is compromised; its sessions and tokens end, and what came since is not learnt."""
    user = users.get(username)
    protection.confirm_compromised(user, operator(), note, end_sessions=not keep_sessions)
    return shown.user(user)


@command(user_group, "confirm-safe")
@click.argument("username")
@click.option("--reason", required=True)
def confirm_safe(username: str, reason: str) -> Result:
    """Confirm that an identity is in its owner's hands; how its owner signs in is learnt anew."""
    user = users.get(username)
    protection.confirm_safe(user, operator(), reason)
    return shown.user(user)


@command(user_group, "dismiss")
@click.argument("username")
@click.option("--reason", required=True)
@click.option("--end-sessions", is_flag=True, help="End sessions and tokens, which otherwise stay.")
def dismiss(username: str, reason: str, end_sessions: bool) -> Result:
    """Dismiss a user's risk; the password stays as it is, and so do sessions. Can be undone for a day."""
    user = users.get(username)
    protection.dismiss(user, operator(), reason, end_sessions=end_sessions)
    return shown.user(user)


@command(user_group, "undo-dismissal")
@click.argument("username")
@click.option("--reason", required=True)
def undo_dismissal(username: str, reason: str) -> Result:
    """Undo the newest dismissal of a user, or of one of their sign-ins, as if it had not been."""
    user = users.get(username)
    count = protection.undo_dismissal(user, operator(), reason)
    return {**shown.user(user), "reopened": count}


@command(user_group, "recover")
@click.argument("username")
@click.option("--reason", required=True)
def recover(username: str, reason: str) -> Result:
    """End all sessions; the next sign-in with a second factor then closes the risk, without a new password.

    For users without a password, and for risk that lies in tokens alone.
    """
    user = users.get(username)
    protection.begin_recovery(user, operator(), reason)
    return shown.user(user)
