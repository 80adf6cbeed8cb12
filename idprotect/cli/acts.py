"""The acts of administrators as commands: those of :mod:`idprotect.triage`, one each.

They have the words, refusals and records of the console.
"""

from typing import Any

import click
from flask.cli import AppGroup

from idprotect import triage, users
from idprotect.cli import shown
from idprotect.cli.base import Result, command, operator
from idprotect.cli.detections import detection_group
from idprotect.cli.sign_ins import sign_in_group
from idprotect.cli.users import user_group
from idprotect.errors import InteractionError, NotFound
from idprotect.roles import Role
from idprotect.triage import Act, Actor, Done, Option, Target

#: About what → the group of commands, and what its argument is called.
PLACES: dict[str, tuple[AppGroup, str]] = {
    "user": (user_group, "USERNAME"),
    "sign_in": (sign_in_group, "SIGN_IN_ID"),
    "detection": (detection_group, "DETECTION_ID"),
}
#: Act → its command, where that has another name.
NAMES = {
    "block": "disable",
    "unblock": "enable",
    "reset_factors": "remove-factors",
    "sign_in_compromised": "confirm-compromised",
    "sign_in_safe": "confirm-safe",
    "dismiss_sign_in": "dismiss",
    "end_session": "end",
    "resolve_detection": "resolve",
}
#: Option → how it is switched off, where that has a name of its own.
OFF = {"end_sessions": "keep-sessions"}


def _add(act: Act) -> None:
    """Make an act a command."""
    group, argument = PLACES[act.about]

    def run(key: str, reason: str, **ticked: bool) -> Result:
        return _perform(act, key, reason, [name for name, is_ticked in ticked.items() if is_ticked])

    for option in reversed(act.options):
        run = _flag(option)(run)
    run = click.option("--reason", required=True, help="For the audit log.")(run)
    run = click.argument("key", metavar=argument)(run)
    name = NAMES.get(act.name, act.name.replace("_", "-"))
    command(group, name, help=" ".join((*act.does, *act.does_not)), short_help=act.label)(run)


def _flag(option: Option) -> Any:
    name = option.name.replace("_", "-")
    off = OFF.get(option.name, f"no-{name}")
    return click.option(f"--{name}/--{off}", option.name, default=option.default, help=option.label)


def _perform(act: Act, key: str, reason: str, ticked: list[str]) -> Result:
    """Do an act as whoever has this shell, who could do anything."""
    done = triage.perform(
        act, _target(act, key), Actor(operator(), [str(Role.ADMINISTRATOR)]), reason, ticked
    )
    if done.refused is not None:
        raise InteractionError(done.refused)
    secret = {act.name: done.secret} if done.secret is not None else {}
    return {**_shown(done.target), **secret, "changed": _changed(done)}


def _target(act: Act, key: str) -> Target:
    target = triage.find(act, users.get(key).id if act.about == "user" else key)
    if target is None:
        raise NotFound(f"no {act.about.replace('_', '-')} has the id {key!r}")
    return target


def _shown(target: Target) -> dict[str, Any]:
    if target.detection is not None:
        return shown.detection(target.detection)
    if target.sign_in is not None:
        return shown.sign_in(target.sign_in)
    return shown.user(target.known_user)


def _changed(done: Done) -> dict[str, Any]:
    """Return what the audit log says of it, where before and after differ."""
    return {
        name: {"before": value, "after": done.after[name]}
        for name, value in done.before.items()
        if value != done.after[name]
    }


for each in triage.ACTS.values():
    _add(each)
