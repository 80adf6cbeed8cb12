"""The acts of administrators at the API: those of :mod:`idprotect.triage`, one route each.

An act that finds its target as it would leave it is answered as if it had been done: whoever got no answer asks again.
"""

from http import HTTPStatus

from flask import Response, jsonify

from idprotect import roles, triage
from idprotect.api.problems import Problem
from idprotect.api.routes import Answer, Call, Route, no_content, not_found
from idprotect.api.schemas import TEXT, Body, Choice, Member, Several, Text, shaped
from idprotect.triage import Act, Target

LONGEST_REASON = 500
#: About what → where it is: path, argument, tag.
PLACES = {
    "user": ("/users/{user_id}", "user_id", "users"),
    "sign_in": ("/sign-ins/{sign_in_id}", "sign_in_id", "sign-ins"),
    "detection": ("/detections/{detection_id}", "detection_id", "detections"),
}
SECRETS = {"temporary_password"}


def _route(act: Act) -> Route:
    place, argument, tag = PLACES[act.about]
    members = {"reason": Member(Text(LONGEST_REASON), "For the audit log.", required=True)}
    if act.options:
        usual = ", ".join(option.name for option in act.options if option.default) or "none"
        choice = Choice([option.name for option in act.options])
        members["options"] = Member(Several(choice, len(act.options)), f"When it is left out: {usual}.")
    answers = {204: Answer("It is done, or was so already.")}
    if act.name in SECRETS:
        answers = {200: Answer("It is done.", shaped(secret=TEXT))}
    return Route(
        method="POST",
        path=f"{place}/{act.name.replace('_', '-')}",
        name=_camel(act.name),
        tag=tag,
        summary=f"{act.label}. {' '.join(act.does)} {' '.join(act.does_not)}",
        scopes=tuple(scope for scope, role in roles.SCOPES.items() if role in roles.ACTS[act.name]),
        view=lambda call: _do(act, argument, call),
        body=Body(members),
        answers=answers,
        refusals=(404, 409),
    )


def _do(act: Act, argument: str, call: Call) -> Response:
    target = triage.find(act, call.path[argument])
    if target is None:
        not_found()
    is_forbidden = triage.why_forbidden(target, call.actor) is not None
    if not is_forbidden and act.already(target) is not None:
        return no_content()
    usual = [option.name for option in act.options if option.default]
    done = triage.perform(act, target, call.actor, call.body["reason"], call.body.get("options", usual))
    if done.secret is not None:
        return jsonify(secret=done.secret)
    if done.refused is not None and is_forbidden:
        raise Problem(HTTPStatus.FORBIDDEN, done.refused)
    if done.refused is not None and not _was_done_meanwhile(act, target):
        raise Problem(HTTPStatus.CONFLICT, done.refused)
    return no_content()


def _was_done_meanwhile(act: Act, target: Target) -> bool:
    """Whether somebody else did the same at the same moment."""
    return act.already(target) is not None


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


ROUTES = tuple(_route(act) for act in triage.ACTS.values())
