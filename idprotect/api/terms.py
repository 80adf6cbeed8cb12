"""Terms of use at the API: the documents, their versions, and who accepted them."""

from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, jsonify, request

from idprotect import acceptances, terms
from idprotect.api.listed import Listed
from idprotect.api.policies import read_route
from idprotect.api.policy_changes import write_route
from idprotect.api.problems import Problem
from idprotect.api.risk import RISK_READ, is_user
from idprotect.api.routes import Answer, Call, no_content, not_found
from idprotect.api.schemas import (
    NUMBER,
    TEXT,
    TEXTS,
    TIME_OR_NOTHING,
    TRUTH,
    Body,
    Flag,
    Lines,
    Member,
    Text,
    Whole,
    several,
    shaped,
)
from idprotect.errors import InteractionError, NotFound, TermsChanged
from idprotect.lists import ACCEPTANCES
from idprotect.models import Terms, TermsAcceptance, TermsVersion, session

Result = TypeVar("Result")
ALL, ONE = "/terms-of-use", "/terms-of-use/{name}"
ETAG = {"ETag": "Names the newest version, and for how long an acceptance is good; for If-Match."}
VERSION = Whole(1, 2**31 - 1)
WHAT = {
    "title": Member(Text(terms.LONGEST_TITLE), "What people see above the text.", required=True),
    "text": Member(
        Lines(terms.LONGEST_TEXT),
        'Empty lines part paragraphs; "# " and "## " begin a heading, "- " an item of a list.',
        required=True,
    ),
    "valid_days": Member(
        Whole(1, terms.MOST_DAYS), "Accepted anew after so many days; without it when a version asks again."
    ),
    "note": Member(Text(500, may_be_empty=True), "What the version is about; not for those who accept it."),
}
SHOWN = shaped(
    name=TEXT,
    version=NUMBER,
    required_version=NUMBER,
    valid_days={"type": ["integer", "null"]},
    title=TEXT,
    accepted_by=NUMBER,
    policies=TEXTS,
)
SHOWN_VERSION = shaped(
    version=NUMBER,
    title=TEXT,
    text=TEXT,
    asks_again=TRUTH,
    published=TIME_OR_NOTHING,
    published_by=TEXT,
    note=TEXT,
)
PUBLISHED = {200: Answer("It is so.", SHOWN, ETAG)}


def _all(_call: Call) -> Response:
    """Answer with all terms."""
    return jsonify(items=[_shown(row, newest) for row, newest in terms.everything()])


def _one(call: Call) -> Response:
    """Answer with one of them."""
    return _answer(call.path["name"])


def _version(call: Call) -> Response:
    """Answer with what one version says."""
    row = _found(lambda: terms.version(call.path["name"], call.path["version"]))
    return jsonify(
        version=row.version,
        title=row.title,
        text=row.text,
        asks_again=row.asks_again,
        published=row.published_at.isoformat(),
        published_by=row.published_by,
        note=row.note,
    )


def _post(call: Call) -> Response:
    """Make terms. Those that are so already are answered as if they had been made."""
    body = call.body
    try:
        row, newest = terms.get(body["name"]), terms.version(body["name"])
    except NotFound:
        _tried(
            lambda: terms.create(
                body["name"],
                body["title"],
                body["text"],
                call.actor.name,
                valid_days=body.get("valid_days"),
                note=body.get("note", ""),
            )
        )
        session().commit()
        answer = _answer(body["name"])
        answer.status_code = HTTPStatus.CREATED
        return answer
    if _is_other(row, newest, body):
        raise Problem(HTTPStatus.CONFLICT, "There are other terms of use of this name.")
    return _answer(row.name)


def _put(call: Call) -> Response:
    """Publish a version, or say for how long an acceptance is good; what is so already is answered as if done."""
    name, body, by = call.path["name"], call.body, call.actor.name
    row, newest = _found(lambda: terms.get(name)), _found(lambda: terms.version(name))
    if not request.if_match:
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, "If-Match is needed: the ETag of the terms as read.")
    if not _is_other(row, newest, body):
        return _answer(name)
    if not request.if_match.contains(_etag(row)):
        raise _changed()

    def publish() -> None:
        note = body.get("note", "")
        terms.set_valid_days(name, body.get("valid_days"), by, note)
        if terms.is_other(newest, body["title"], body["text"]):
            asks_again = body.get("asks_again", True)
            what = (name, body["title"], body["text"], by)
            terms.publish(*what, based_on=newest.version, asks_again=asks_again, note=note)

    _tried(publish)
    session().commit()
    return _answer(name)


def _delete(call: Call) -> Response:
    """Delete terms that no policy asks for, with everything that was accepted."""
    if not call.query.get("reason"):
        detail = "The parameters are not valid."
        raise Problem(HTTPStatus.BAD_REQUEST, detail, errors=[("reason", "is missing")], member="parameter")
    try:
        terms.delete(call.path["name"], call.actor.name, call.query["reason"])
    except NotFound:
        not_found()
    except InteractionError as error:
        raise Problem(HTTPStatus.CONFLICT, error.message) from None
    session().commit()
    return no_content()


def _answer(name: str) -> Response:
    row = _found(lambda: terms.get(name))
    response = jsonify(_shown(row, terms.version(name)))
    response.set_etag(_etag(row))
    return response


def _shown(row: Terms, newest: TermsVersion) -> dict[str, Any]:
    return {
        "name": row.name,
        "version": row.version,
        "required_version": row.required,
        "valid_days": row.valid_days,
        "title": newest.title,
        "accepted_by": acceptances.count(row.name),
        "policies": terms.policies_about(row.name),
    }


def _etag(row: Terms) -> str:
    return f"{row.version}-{row.valid_days or 'next'}"


def _is_other(row: Terms, newest: TermsVersion, body: Mapping[str, Any]) -> bool:
    says = _tried(lambda: terms.is_other(newest, body["title"], body["text"]))
    return says or row.valid_days != body.get("valid_days")


def _found(look: Callable[[], Result]) -> Result:
    try:
        return look()
    except NotFound:
        not_found()


def _tried(change: Callable[[], Result]) -> Result:
    """Return what a change comes to.

    :raises Problem: when somebody else published a version meanwhile, or a member of the body is not valid.
    """
    try:
        return change()
    except TermsChanged:
        raise _changed() from None
    except InteractionError as error:
        where = f"/{error.field}" if error.field else ""
        detail = "The terms of use are not valid."
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=[(where, error.message)]) from None


def _changed() -> Problem:
    return Problem(HTTPStatus.PRECONDITION_FAILED, "Somebody else changed these terms by now.")


_read = partial(read_route, tag="terms of use")
_write = partial(write_route, tag="terms of use")

ROUTES = (
    _read(
        "GET",
        ALL,
        "listTermsOfUse",
        "All terms of use.",
        _all,
        {200: Answer("All of them.", shaped(items=several(SHOWN)))},
    ),
    _read(
        "GET",
        ONE,
        "getTermsOfUse",
        "One of them.",
        _one,
        {200: Answer("These.", SHOWN, ETAG)},
        refusals=(404,),
    ),
    _read(
        "GET",
        f"{ONE}/versions/{{version}}",
        "getTermsOfUseVersion",
        "What one version says.",
        _version,
        {200: Answer("This one.", SHOWN_VERSION)},
        arguments={"version": VERSION},
        refusals=(404,),
    ),
    _write(
        "POST",
        ALL,
        "createTermsOfUse",
        "Make terms of use; nobody is asked for them until a policy says so.",
        _post,
        {201: Answer("They are made.", SHOWN, ETAG), **PUBLISHED},
        body=Body(
            {
                "name": Member(
                    Text(terms.LONGEST_NAME), "Small letters, digits, hyphens between them.", required=True
                ),
                **WHAT,
            }
        ),
        refusals=(409,),
    ),
    _write(
        "PUT",
        ONE,
        "putTermsOfUse",
        "Publish a version, or say for how long an acceptance is good.",
        _put,
        PUBLISHED,
        body=Body(
            {
                **WHAT,
                "asks_again": Member(
                    Flag(), "Whoever accepted an older version is asked again; true by itself."
                ),
            }
        ),
        refusals=(404,),
        precondition=True,
    ),
    _write(
        "DELETE",
        ONE,
        "deleteTermsOfUse",
        "Delete terms of use that no policy asks for, with everything that was accepted.",
        _delete,
        {204: Answer("They are gone.")},
        parameters={"reason": Member(Text(500), "For the audit log; it is needed.")},
        refusals=(404, 409),
    ),
    Listed(
        f"{ONE}/acceptances",
        "listTermsOfUseAcceptances",
        "terms of use",
        "Who accepted them, in which version, and when.",
        RISK_READ,
        ACCEPTANCES,
        lambda key: TermsAcceptance.terms == key,
        lambda key: session().get(Terms, key) is not None,
    ).route(),
    Listed(
        "/users/{user_id}/acceptances",
        "listUserAcceptances",
        "users",
        "Which terms of use somebody accepted.",
        RISK_READ,
        ACCEPTANCES,
        lambda key: TermsAcceptance.user_id == key,
        is_user,
    ).route(),
)
