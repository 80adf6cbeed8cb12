"""Policies put into force at the API, made of the version that is in force.

What changes them needs ``If-Match`` with the ``ETag`` of what was read, so nobody undoes what somebody else did
meanwhile (RFC 9110 section 13.1.1, RFC 6585 section 3).
"""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus

from flask import Response, jsonify, request

from idprotect import policies
from idprotect.api.policies import CONFIRMATION, DOCUMENT, IN_FORCE, VERSION, tried
from idprotect.api.problems import Problem
from idprotect.api.routes import Answer, Call, Route, no_content, not_found
from idprotect.api.schemas import NUMBER, TEXTS, Body, Flag, Member, Text, shaped
from idprotect.conditional_access import PolicySet
from idprotect.errors import NotFound
from idprotect.models import session

WRITE = "idprotect:policies.write"
write_route = partial(Route, tag="policies", scopes=(WRITE,))
Pointer = Callable[[str], str]
NOTE = Member(Text(500, may_be_empty=True), "What the version is about.")
APPLIED = {200: Answer("It is in force.", shaped(version=NUMBER, warnings=TEXTS), IN_FORCE)}


def _put(call: Call) -> Response:
    """Put a document into force."""
    body = call.body
    return change(
        lambda based_on: policies.apply(
            body["document"],
            call.actor.name,
            body.get("note", ""),
            confirmation=body.get("confirmation", ""),
            based_on=based_on,
        )
    )


def _roll_back(call: Call) -> Response:
    """Put an older version into force again."""
    body = call.body
    try:
        return change(
            lambda based_on: policies.roll_back(
                call.actor.name,
                body["version"],
                body.get("note", ""),
                confirmation=body.get("confirmation", ""),
                based_on=based_on,
            )
        )
    except NotFound:
        not_found()


def _emergency(call: Call) -> Response:
    """Let every policy only report, or end that; said again, it changes nothing."""
    on = call.body["on"]
    if policies.current().emergency is not on:
        tried(lambda: policies.set_emergency(on, call.actor.name, call.body["reason"]))
        session().commit()
    return no_content()


def change(
    carry_out: Callable[[int], PolicySet], pointer: Pointer = lambda _problem: "/document"
) -> Response:
    """Change the policies that the request says it has read, and answer with what is in force then.

    :param carry_out: takes the version that the change is made from.
    :param pointer: which member of the body a rule is about.
    """
    force = tried(lambda: carry_out(expected_version()), pointer)
    session().commit()
    return applied(force)


def applied(force: PolicySet) -> Response:
    """Answer with the version in force."""
    response = jsonify(version=force.version, warnings=list(force.warnings))
    response.set_etag(str(force.version))
    return response


def expected_version(any_will_do: bool = False) -> int:
    """Return the version in force when the request says that it is about that one.

    :param any_will_do: nothing would change, so that another version may be in force by now.
    :raises Problem: 428 when it says nothing, 412 when it is about another one.
    """
    newest = policies.newest_version()
    if not request.if_match:
        raise Problem(
            HTTPStatus.PRECONDITION_REQUIRED, "If-Match is needed: the ETag of the policies as read."
        )
    if not any_will_do and not request.if_match.contains(str(newest)):
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "Other policies are in force by now.")
    return newest


ROUTES = (
    write_route(
        "PUT",
        "/policies",
        "putPolicies",
        "Put a document into force; its tests have to pass.",
        _put,
        APPLIED,
        body=Body({"document": DOCUMENT, "note": NOTE, "confirmation": CONFIRMATION}),
        precondition=True,
    ),
    write_route(
        "POST",
        "/policies/roll-back",
        "rollBackPolicies",
        "Put an older version into force again, as a new version.",
        _roll_back,
        APPLIED,
        body=Body({"version": Member(VERSION, required=True), "note": NOTE, "confirmation": CONFIRMATION}),
        refusals=(404,),
        precondition=True,
    ),
    write_route(
        "PUT",
        "/policies/emergency",
        "setEmergency",
        "Let every policy only report, or end that.",
        _emergency,
        {204: Answer("It is so.")},
        body=Body(
            {
                "on": Member(Flag(), required=True),
                "reason": Member(Text(500), "For the audit log.", required=True),
            }
        ),
    ),
)
