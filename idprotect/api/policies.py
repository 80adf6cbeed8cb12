"""Policies at the API: what is in force and was, what would speak against others, and what would come of them."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, jsonify

from idprotect import people, policies
from idprotect.api.listed import Listed
from idprotect.api.problems import Problem
from idprotect.api.routes import Answer, Call, Route, not_found
from idprotect.api.schemas import (
    ANYTHING,
    NUMBER,
    TEXT,
    TEXT_OR_NOTHING,
    TEXTS,
    TIME_OR_NOTHING,
    TRUTH,
    Body,
    Choice,
    Document,
    Flag,
    Kind,
    Member,
    Several,
    Text,
    Whole,
    several,
    shaped,
)
from idprotect.conditional_access import AcceptedTerms, parse_policies
from idprotect.errors import NotFound, PoliciesChanged, PolicyError
from idprotect.insights import differences
from idprotect.insights.what_if import what_if
from idprotect.lists.history import POLICY_VERSIONS
from idprotect.models import PolicyVersion, session
from idprotect.risk import RiskLevel

Result = TypeVar("Result")
READ = "idprotect:policies.read"
read_route = partial(Route, tag="policies", scopes=(READ,))
VERSION = Whole(1, 2**31 - 1)
LEVELS = Choice([level.label for level in RiskLevel])

DOCUMENT = Member(
    Document("The tables of a policy file in JSON: policy, location, test, break_glass."), required=True
)
CONFIRMATION = Member(Text(64), '"block everyone" when a policy is meant to stop everybody everywhere.')
STORED = shaped(
    version=NUMBER, at=TIME_OR_NOTHING, by=TEXT_OR_NOTHING, note=TEXT, emergency=TRUTH, document=ANYTHING
)
IN_FORCE = {"ETag": "Names the version; for If-Match."}


def _in_force(_call: Call) -> Response:
    """Answer with the policies in force."""
    version = policies.newest_version()
    row = session().get(PolicyVersion, version)
    response = jsonify(_stored(row) if row is not None else _nothing())
    response.set_etag(str(version))
    return response


def _version(call: Call) -> Response:
    """Answer with an older version."""
    try:
        return jsonify(_stored(policies.stored(call.path["version"])))
    except NotFound:
        not_found()


def _check(call: Call) -> Response:
    """Say what speaks against a document, and what would change."""
    draft = call.body["document"]
    checked = tried(lambda: policies.check(draft, call.body.get("confirmation", "")))
    changes = [change.to_dict() for change in differences.by_name(policies.document(), draft)]
    return jsonify(changes=changes, tests=len(checked.tests), warnings=list(checked.warnings))


def _what_if(call: Call) -> Response:
    """Ask the evaluator that is live about an imagined sign-in."""
    asked = dict(call.body)
    draft = asked.pop("document", None)
    policy_set = policies.current() if draft is None else tried(lambda: parse_policies(draft))
    proved = asked.pop("proved", ())
    try:
        facts = people.imagined(policy_set, asked.pop("user"), **_facts(asked))
    except ValueError as error:
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
    if proved:
        facts = people.having_proved(facts, proved)
    return jsonify(what_if(policy_set, facts).to_dict())


def tried(
    change: Callable[[], Result], pointer: Callable[[str], str] = lambda _problem: "/document"
) -> Result:
    """Return what a change comes to.

    :param pointer: which member of the body a rule is about.
    :raises Problem: when other policies are in force meanwhile, or a rule is broken.
    """
    try:
        return change()
    except PoliciesChanged:
        raise Problem(HTTPStatus.PRECONDITION_FAILED, "Other policies are in force by now.") from None
    except PolicyError as error:
        problems = [(pointer(problem), problem) for problem in error.problems]
        detail = "The policies are not valid."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=problems) from None


def _stored(row: PolicyVersion) -> dict[str, Any]:
    return {
        "version": row.version,
        "at": row.applied_at.isoformat(),
        "by": row.applied_by,
        "note": row.note,
        "emergency": row.emergency,
        "document": row.document,
    }


def _nothing() -> dict[str, Any]:
    return {"version": 0, "at": None, "by": None, "note": "", "emergency": False, "document": {}}


_FACTS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("sign_in_risk", "user_risk"), RiskLevel.parse),
    **dict.fromkeys(("scopes", "groups", "roles"), frozenset),
    "accepted_terms": lambda names: tuple(map(AcceptedTerms, names)),
}


def _facts(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _FACTS[name](value) if name in _FACTS else value for name, value in given.items()}


_NAMES = Several(Text(128), 100)
_QUESTION: Mapping[str, Kind] = {
    "client_id": Text(128),
    "scopes": _NAMES,
    "groups": _NAMES,
    "roles": _NAMES,
    "ip_address": Text(45),
    "country": Text(2),
    "platform": Text(32),
    "known_device": Flag(),
    "registered": Flag(),
    "sign_in_risk": LEVELS,
    "user_risk": LEVELS,
    "proved": _NAMES,
    "accepted_terms": _NAMES,
}
QUESTION = Body(
    {
        "user": Member(Text(256), "A user name; of nobody, only what is said here is so.", required=True),
        "document": Member(DOCUMENT.kind, "A draft, instead of what is in force."),
        **{name: Member(kind) for name, kind in _QUESTION.items()},
    }
)


ROUTES = (
    read_route(
        "GET",
        "/policies",
        "getPolicies",
        "The policies in force.",
        _in_force,
        {200: Answer("These.", STORED, IN_FORCE)},
    ),
    Listed(
        "/policies/versions",
        "listPolicyVersions",
        "policies",
        "What was in force, and who put it there.",
        READ,
        POLICY_VERSIONS,
    ).route(),
    read_route(
        "GET",
        "/policies/versions/{version}",
        "getPolicyVersion",
        "One version.",
        _version,
        {200: Answer("This one.", STORED)},
        arguments={"version": VERSION},
        refusals=(404,),
    ),
    read_route(
        "POST",
        "/policies/check",
        "checkPolicies",
        "Say what speaks against a document, and what would change.",
        _check,
        {
            200: Answer(
                "It could come into force.", shaped(changes=several(ANYTHING), tests=NUMBER, warnings=TEXTS)
            )
        },
        body=Body({"document": DOCUMENT, "confirmation": CONFIRMATION}),
    ),
    read_route(
        "POST",
        "/policies/what-if",
        "whatIf",
        "Say what would come of an imagined sign-in: every policy, and every condition that does not hold.",
        _what_if,
        {
            200: Answer(
                "This would.",
                shaped(outcome=TEXT, reason=TEXT_OR_NOTHING, steps=TEXTS, policies=several(ANYTHING)),
            )
        },
        body=QUESTION,
    ),
)
