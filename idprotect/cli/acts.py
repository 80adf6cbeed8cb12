"""Commands that are acts of the console, with the same words, refusals and records."""

import click

from idprotect import triage, users
from idprotect.cli import shown
from idprotect.cli.base import Result, command, operator
from idprotect.cli.users import user_group
from idprotect.errors import InteractionError
from idprotect.roles import Role
from idprotect.triage import Actor


@command(user_group, "resolve")
@click.argument("username")
@click.option("--reason", required=True, help="What was done about it, and where.")
def resolve(username: str, reason: str) -> Result:
    """Say that a user's risk was true, and was dealt with elsewhere; password and sessions stay as they are."""
    return _perform("resolve", username, reason)


@command(user_group, "remove-factors")
@click.argument("username")
@click.option("--reason", required=True)
def remove_factors(username: str, reason: str) -> Result:
    """Remove a user's second factors and recovery codes; they are registered anew at the next sign-in without risk."""
    return _perform("reset_factors", username, reason)


def _perform(act_name: str, username: str, reason: str) -> Result:
    """Do an act as whoever has this shell, who could do anything."""
    act, user = triage.ACTS[act_name], users.get(username)
    target = triage.find(act, user.id)
    if target is None:
        raise InteractionError("The user was deleted meanwhile.")
    done = triage.perform(act, target, Actor(operator(), [str(Role.ADMINISTRATOR)]), reason, ())
    if done.refused is not None:
        raise InteractionError(done.refused)
    return shown.user(user)
