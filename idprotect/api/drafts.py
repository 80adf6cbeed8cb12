"""Drafts of policies at the API: the shelf of the console.

What changes one needs ``If-Match`` with its ``ETag``, so nobody overwrites unseen what somebody else saved. A draft is
text, as in a policy file: it may break every rule, and be no TOML yet.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from flask import Response, jsonify, request

from idprotect import policies, policy_drafts, trials
from idprotect.api.policies import CONFIRMATION, read_route
from idprotect.api.policy_changes import APPLIED, NOTE, applied, write_route
from idprotect.api.problems import Problem
from idprotect.api.routes import Answer, Call, no_content, not_found
from idprotect.api.schemas import (
    ANYTHING,
    NUMBER,
    TEXT,
    TEXTS,
    TIME_OR_NOTHING,
    Body,
    Flag,
    Lines,
    Member,
    Text,
    Whole,
    several,
    shaped,
)
from idprotect.conditional_access.toml import from_toml
from idprotect.errors import DraftChanged, InteractionError, NotFound, PoliciesChanged, PolicyError
from idprotect.models import PolicyDraft, session
from idprotect.policy_drafts import LONGEST_NAME, LONGEST_TEXT

Result = TypeVar("Result")
PATH = "/policies/drafts/{draft_id}"
ABOUT = {
    "id": TEXT,
    "name": TEXT,
    "revision": NUMBER,
    "based_on": NUMBER,
    "created_at": TIME_OR_NOTHING,
    "created_by": TEXT,
    "saved_at": TIME_OR_NOTHING,
    "saved_by": TEXT,
}
ONE = shaped(**ABOUT, text=TEXT)
ETAG = {"ETag": "Names the revision; for If-Match."}
TOML = Member(Lines(LONGEST_TEXT), "A policy file, as far as somebody came with it.", required=True)
BASED_ON = Member(Whole(0, 2**31 - 1), "The version in force that it was made from.")
ANYTHING_OR_NOTHING = {"type": ["object", "null"]}
PREVIEW = shaped(
    warnings=TEXTS,
    tests=NUMBER,
    changes=several(ANYTHING),
    now=ANYTHING_OR_NOTHING,
    last_7_days=ANYTHING_OR_NOTHING,
)


def _all(_call: Call) -> Response:
    """Answer with all drafts, without their texts."""
    return jsonify(items=[_about(draft) for draft in policy_drafts.drafts()])


def _one(call: Call) -> Response:
    """Answer with one draft."""
    return _shown(_found(call))


def _post(call: Call) -> Response:
    """Keep a draft under a new name. One that is kept so already is answered as if it had been done."""
    name, text, based_on = call.body["name"], call.body["text"], _based_on(call, policies.newest_version())
    try:
        draft = policy_drafts.create(name, text, based_on, call.actor.name)
    except InteractionError as error:
        if (kept := _kept(name)) is None or kept.text != policy_drafts.as_kept(text):
            raise Problem(HTTPStatus.CONFLICT, error.message) from None
        return _shown(kept)
    session().commit()
    answer = _shown(draft)
    answer.status_code = HTTPStatus.CREATED
    return answer


def _put(call: Call) -> Response:
    """Go on with a draft; what is so already is answered as if it had been done."""
    draft, text = _found(call), call.body["text"]
    based_on = _based_on(call, draft.based_on)
    _need_precondition()
    if (draft.text, draft.based_on) == (policy_drafts.as_kept(text), based_on):
        return _shown(draft)
    _check_unchanged(draft)
    _tried(lambda: policy_drafts.save(draft, text, based_on, call.actor.name, draft.revision))
    session().commit()
    return _shown(draft)


def _differences(call: Call) -> Response:
    """Say how a draft differs from what is in force."""
    found = policy_drafts.compare(_found(call).text)
    changes = [change.to_dict() for change in found.changes]
    return jsonify(
        in_force=policies.newest_version(), problems=list(found.problems), changes=changes, diff=found.diff
    )


def _preview(call: Call) -> Response:
    """Say what would come of a draft."""
    draft, wants_replay = _found(call), call.body.get("replay", False)
    confirmation = call.body.get("confirmation", "")
    seen = _tried(lambda: trials.preview(from_toml(draft.text), confirmation, wants_replay=wants_replay))
    return jsonify(
        warnings=list(seen.policies.warnings),
        tests=len(seen.policies.tests),
        changes=[change.to_dict() for change in seen.changes],
        now=seen.hit.to_dict() if seen.hit is not None else None,
        last_7_days=seen.replayed.to_dict() if seen.replayed is not None else None,
    )


def _apply(call: Call) -> Response:
    """Put a draft into force, and take it off the shelf."""
    draft, body, actor = _held(call), call.body, call.actor.name
    note, confirmation = body.get("note") or draft.name, body.get("confirmation", "")
    force = _tried(
        lambda: policy_drafts.apply(
            draft, draft.text, draft.based_on, actor, note, draft.revision, confirmation
        )
    )
    session().commit()
    return applied(force)


def _discard(call: Call) -> Response:
    """Throw a draft away."""
    draft = _held(call)
    _tried(lambda: policy_drafts.discard(draft, call.actor.name, call.body["reason"], draft.revision))
    session().commit()
    return no_content()


def _found(call: Call) -> PolicyDraft:
    try:
        return policy_drafts.get(call.path["draft_id"])
    except NotFound:
        not_found()


def _kept(name: str) -> PolicyDraft | None:
    try:
        return policy_drafts.find(name.strip())
    except NotFound:
        return None


def _held(call: Call) -> PolicyDraft:
    """Return the draft when the request says that it is about the revision at hand."""
    draft = _found(call)
    _need_precondition()
    _check_unchanged(draft)
    return draft


def _need_precondition() -> None:
    """Refuse a change that does not say from which revision it was made."""
    if not request.if_match:
        raise Problem(HTTPStatus.PRECONDITION_REQUIRED, "If-Match is needed: the ETag of the draft as read.")


def _check_unchanged(draft: PolicyDraft) -> None:
    if not request.if_match.contains(_etag(draft)):
        raise _changed()


def _changed() -> Problem:
    return Problem(HTTPStatus.PRECONDITION_FAILED, "Somebody else saved this draft meanwhile.")


def _based_on(call: Call, otherwise: int) -> int:
    """Return the version that a draft is made from; one that never was would make it look newer than it is."""
    based_on: int = call.body.get("based_on", otherwise)
    if based_on > policies.newest_version():
        errors = [("/based_on", "there is no such version")]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "The body is not valid.", errors=errors)
    return based_on


def _tried(change: Callable[[], Result]) -> Result:
    """Return what an act on a draft comes to.

    :raises Problem: 412 when somebody else saved it meanwhile, 409 when it cannot be done as things stand.
    """
    try:
        return change()
    except DraftChanged:
        raise _changed() from None
    except PoliciesChanged:
        detail = (
            "Other policies came into force since: compare it with them, and save it with their based_on."
        )
        raise Problem(HTTPStatus.CONFLICT, detail) from None
    except PolicyError as error:
        problems = [("", problem) for problem in error.problems]
        raise Problem(HTTPStatus.CONFLICT, "The draft cannot come into force.", errors=problems) from None


def _about(draft: PolicyDraft) -> dict[str, Any]:
    return {
        "id": draft.id,
        "name": draft.name,
        "revision": draft.revision,
        "based_on": draft.based_on,
        "created_at": draft.created_at.isoformat(),
        "created_by": draft.created_by,
        "saved_at": draft.saved_at.isoformat(),
        "saved_by": draft.saved_by,
    }


def _shown(draft: PolicyDraft) -> Response:
    answer = jsonify(**_about(draft), text=draft.text)
    answer.set_etag(_etag(draft))
    return answer


def _etag(draft: PolicyDraft) -> str:
    return f"draft-{draft.revision}"  # a number alone would pass for a version of the policies


ROUTES = (
    read_route(
        "GET",
        "/policies/drafts",
        "listPolicyDrafts",
        "The drafts of policies, those that were saved last first.",
        _all,
        {200: Answer("All of them, without their texts.", shaped(items=several(shaped(**ABOUT))))},
    ),
    write_route(
        "POST",
        "/policies/drafts",
        "createPolicyDraft",
        "Keep policies as a draft under a new name; sent again, nothing is done.",
        _post,
        {201: Answer("It is kept.", ONE, ETAG), 200: Answer("It was kept so already.", ONE, ETAG)},
        body=Body({"name": Member(Text(LONGEST_NAME), required=True), "text": TOML, "based_on": BASED_ON}),
        refusals=(409,),
    ),
    read_route(
        "GET",
        PATH,
        "getPolicyDraft",
        "One draft.",
        _one,
        {200: Answer("This one.", ONE, ETAG)},
        refusals=(404,),
    ),
    write_route(
        "PUT",
        PATH,
        "savePolicyDraft",
        "Go on with a draft; it stays based on the version it was, unless another is named.",
        _put,
        {200: Answer("It is kept so.", ONE, ETAG)},
        body=Body({"text": TOML, "based_on": BASED_ON}),
        refusals=(404,),
        precondition=True,
    ),
    read_route(
        "GET",
        f"{PATH}/differences",
        "comparePolicyDraft",
        "How a draft differs from what is in force, or why that cannot be said yet.",
        _differences,
        {200: Answer("So.", shaped(in_force=NUMBER, problems=TEXTS, changes=several(ANYTHING), diff=TEXT))},
        refusals=(404,),
    ),
    read_route(
        "POST",
        f"{PATH}/preview",
        "previewPolicyDraft",
        "Say what would come of a draft: who would notice now, and which sign-ins of the last 7 days.",
        _preview,
        {200: Answer("It could come into force. Null: there is too much to go through.", PREVIEW)},
        body=Body(
            {
                "confirmation": CONFIRMATION,
                "replay": Member(Flag(), "Run it over the decisions of the last 7 days, too."),
            }
        ),
        refusals=(404, 409),
    ),
    write_route(
        "POST",
        f"{PATH}/apply",
        "applyPolicyDraft",
        "Put a draft into force, and take it off the shelf.",
        _apply,
        APPLIED,
        body=Body({"note": NOTE, "confirmation": CONFIRMATION}),
        refusals=(404, 409),
        precondition=True,
    ),
    write_route(
        "POST",
        f"{PATH}/discard",
        "discardPolicyDraft",
        "Throw a draft away.",
        _discard,
        {204: Answer("It is gone.")},
        body=Body({"reason": Member(Text(500), "For the audit log.", required=True)}),
        refusals=(404,),
        precondition=True,
    ),
)
