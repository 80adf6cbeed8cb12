"""Named locations at the API, one by one; each change is a version of the policies, as when the document is sent."""

from http import HTTPStatus
from typing import Any

from flask import Response, jsonify

from idprotect import policies
from idprotect.api.policies import CONFIRMATION, IN_FORCE, read_route
from idprotect.api.policy_changes import APPLIED, NOTE, applied, change, expected_version, write_route
from idprotect.api.problems import Problem
from idprotect.api.routes import Answer, Call, not_found
from idprotect.api.schemas import TEXT, TEXTS, TRUTH, Body, Flag, Member, Several, Text, several, shaped
from idprotect.conditional_access import Location, PolicySet, drafts
from idprotect.conditional_access.document import place
from idprotect.errors import NotFound, PoliciesChanged, PolicyError
from idprotect.errors import Problem as RuleProblem

PATH = "/named-locations/{name}"
ONE = shaped(name=TEXT, networks=TEXTS, countries=TEXTS, trusted=TRUTH)
FIELDS = {
    "networks": Member(Several(Text(64), 1000), "IPv4 or IPv6, like 192.0.2.0/24."),
    "countries": Member(Several(Text(8), 300), 'Instead of networks: two letters each, or "unknown".'),
    "trusted": Member(Flag(), "It lowers the risk of a sign-in from there."),
}


def _all(_call: Call) -> Response:
    """Answer with the named locations in force."""
    return jsonify(items=[_shown(location) for location in policies.current().locations])


def _one(call: Call) -> Response:
    """Answer with one of them."""
    force = policies.current()
    found = {location.name: location for location in force.locations}.get(call.path["name"])
    if found is None:
        not_found()
    response = jsonify(_shown(found))
    response.set_etag(str(force.version))
    return response


def _put(call: Call) -> Response:
    """Make a location, or put another in its place; what is so already is answered as if it had been done."""
    name, body = call.path["name"], call.body
    row = {"name": name} | {field: body[field] for field in FIELDS if field in body}
    before = _row(name)
    if before == row:
        expected_version(any_will_do=True)
        return applied(policies.current())
    return change(
        lambda based_on: policies.apply(
            drafts.with_entry(policies.document(), "location", row, instead_of=name if before else None),
            call.actor.name,
            body.get("note", ""),
            confirmation=body.get("confirmation", ""),
            based_on=based_on,
        ),
        lambda problem: _pointer(problem, name),
    )


def _delete(call: Call) -> Response:
    """Remove a location, unless it is trusted or a policy names it."""
    name = call.path["name"]
    if _row(name) is None:
        not_found()

    def remove(based_on: int) -> PolicySet:
        without = drafts.without_entry(policies.document(), "location", name)
        try:
            return policies.apply(without, call.actor.name, call.query.get("note", ""), based_on=based_on)
        except PoliciesChanged:
            raise
        except PolicyError as error:
            raise Problem(HTTPStatus.CONFLICT, "; ".join(error.problems)) from None

    return change(remove)


def _row(name: str) -> dict[str, Any] | None:
    try:
        return drafts.find(policies.document(), "location", name)
    except NotFound:
        return None


def _pointer(problem: str, name: str) -> str:
    """Return which member of the body breaks a rule; the whole of it where it is none alone."""
    is_here = isinstance(problem, RuleProblem) and problem.where == place("location", name)
    return f"/{problem.key}" if is_here and problem.key in FIELDS else ""  # type: ignore[attr-defined]


def _shown(location: Location) -> dict[str, Any]:
    return {
        "name": location.name,
        "networks": [str(network) for network in location.networks],
        "countries": sorted(location.countries),
        "trusted": location.trusted,
    }


ROUTES = (
    read_route(
        "GET",
        "/named-locations",
        "listNamedLocations",
        "The named locations in force.",
        _all,
        {200: Answer("All of them.", shaped(items=several(ONE)))},
    ),
    read_route(
        "GET",
        PATH,
        "getNamedLocation",
        "One named location.",
        _one,
        {200: Answer("This one.", ONE, IN_FORCE)},
        refusals=(404,),
    ),
    write_route(
        "PUT",
        PATH,
        "putNamedLocation",
        "Make a named location, or put another in its place.",
        _put,
        APPLIED,
        body=Body({**FIELDS, "note": NOTE, "confirmation": CONFIRMATION}),
        refusals=(404,),
        precondition=True,
    ),
    write_route(
        "DELETE",
        PATH,
        "deleteNamedLocation",
        "Remove a named location, unless it is trusted or a policy names it.",
        _delete,
        APPLIED,
        parameters={"note": NOTE},
        refusals=(404, 409),
        precondition=True,
    ),
)
