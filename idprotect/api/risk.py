"""What was found and decided: lists of it, and one detection, person, sign-in or decision with all that is known."""

from typing import Any

from flask import Response, jsonify
from sqlalchemy import select

from idprotect import audit_chain, gate
from idprotect.api.listed import Listed, item, item_schema
from idprotect.api.routes import Answer, Call, Route, not_found
from idprotect.api.schemas import ANYTHING, TEXT, TIME_OR_NOTHING, TRUTH, Schema, Whole, several, shaped
from idprotect.lists import AUDIT, DETECTIONS, RISKY_SIGN_INS, RISKY_USERS, SESSIONS, SIGN_INS, USERS, paging
from idprotect.lists.history import HISTORY, RECEIPTS
from idprotect.lists.listing import Listing
from idprotect.models import AuditEvent, Receipt, RiskDetection, RiskHistory, SignIn, User, session

RISK_READ, AUDIT_READ = "idprotect:risk.read", "idprotect:audit.read"
SEALED_AT_ONCE = 2000
NUMBER = Whole(1, 2**31 - 1)


def is_user(user_id: str) -> bool:
    """Whether somebody with this id exists."""
    return session().get(User, user_id) is not None


def _is_sign_in(sign_in_id: str) -> bool:
    return session().get(SignIn, sign_in_id) is not None


def _seal() -> None:
    audit_chain.seal(at_most=SEALED_AT_ONCE)


LISTS = (
    Listed(
        "/detections",
        "listDetections",
        "detections",
        "What was found suspicious.",
        RISK_READ,
        DETECTIONS,
    ),
    Listed(
        "/risky-users",
        "listRiskyUsers",
        "users",
        "People whose identity is or was at risk.",
        RISK_READ,
        RISKY_USERS,
    ),
    Listed("/users", "listUsers", "users", "Everybody who can sign in.", RISK_READ, USERS),
    Listed(
        "/users/{user_id}/history",
        "listUserHistory",
        "users",
        "Each change of somebody's risk, also of a deleted user.",
        RISK_READ,
        HISTORY,
        lambda key: RiskHistory.user_id == key,
        is_user,
    ),
    Listed(
        "/users/{user_id}/detections",
        "listUserDetections",
        "users",
        "What raised somebody's risk, and what closed it; also of a deleted user.",
        RISK_READ,
        DETECTIONS,
        lambda key: RiskDetection.user_id == key,
        is_user,
    ),
    Listed(
        "/users/{user_id}/sign-ins",
        "listUserSignIns",
        "users",
        "Somebody's sign-ins.",
        RISK_READ,
        SIGN_INS,
        lambda key: SignIn.user_id == key,
        is_user,
    ),
    Listed(
        "/risky-sign-ins",
        "listRiskySignIns",
        "sign-ins",
        "Sign-ins in which something was found.",
        RISK_READ,
        RISKY_SIGN_INS,
    ),
    Listed("/sign-ins", "listSignIns", "sign-ins", "Every sign-in, good or bad.", RISK_READ, SIGN_INS),
    Listed(
        "/sign-ins/{sign_in_id}/detections",
        "listSignInDetections",
        "sign-ins",
        "What was found in a sign-in.",
        RISK_READ,
        DETECTIONS,
        lambda key: RiskDetection.sign_in_id == key,
        _is_sign_in,
    ),
    Listed(
        "/sign-ins/{sign_in_id}/receipts",
        "listSignInReceipts",
        "sign-ins",
        "What was decided about a sign-in.",
        RISK_READ,
        RECEIPTS,
        lambda key: Receipt.sign_in_id == key,
        _is_sign_in,
    ),
    Listed("/sessions", "listSessions", "sign-ins", "Sign-ins that a browser holds.", RISK_READ, SESSIONS),
    Listed("/receipts", "listReceipts", "receipts", "What was decided.", RISK_READ, RECEIPTS),
    Listed(
        "/audit-events",
        "listAuditEvents",
        "audit",
        "What happened, and who did it.",
        AUDIT_READ,
        AUDIT,
        prepare=_seal,
    ),
)


def _detection(call: Call) -> Response:
    """Answer with one detection."""
    key = call.path["detection_id"]
    row = session().get(RiskDetection, key)
    return jsonify(_item(DETECTIONS, key) | {"evidence": row.evidence if row is not None else {}})


def _user(call: Call) -> Response:
    """Answer with one person."""
    key = call.path["user_id"]
    shown = _item(USERS, key)
    user = session().get_one(User, key)
    return jsonify(
        shown
        | {"risk_changed": _time(user.risk_changed_at), "must_change_password": user.must_change_password}
    )


def _sign_in(call: Call) -> Response:
    """Answer with one sign-in."""
    key = call.path["sign_in_id"]
    shown = _item(SIGN_INS, key)
    row = session().get_one(SignIn, key)
    more = {
        "state": row.risk_state,
        "detail": row.risk_detail,
        "signals": row.signals,
        "not_evaluated": row.not_evaluated,
        "ended": _time(row.ended_at),
    }
    return jsonify(shown | more)


def _receipt(call: Call) -> Response:
    """Answer with one decision, and whether it comes out the same when it is made again."""
    key = call.path["number"]
    shown = _item(RECEIPTS, key)
    row = session().get_one(Receipt, key)
    again = gate.recompute(row)
    is_same = (again.outcome, [result.to_dict() for result in again.results]) == (row.outcome, row.results)
    return jsonify(shown | {"facts": row.facts, "policies": row.results, "recomputed_same": is_same})


def _audit_event(call: Call) -> Response:
    """Answer with one event and its seal."""
    _seal()
    shown = _item(AUDIT, call.path["number"])
    row = session().scalars(select(AuditEvent).where(AuditEvent.id == call.path["number"])).one()
    return jsonify(shown | {"sign_in_id": row.sign_in_id, "position": row.position, "seal": row.seal})


def _item(listing: Listing, key: Any) -> dict[str, Any]:
    row = paging.read_one(listing, key)
    if row is None:
        not_found()
    return item(listing, row)


def _time(at: Any) -> str | None:
    return at.isoformat() if at is not None else None


def _with(listing: Listing, **more: Schema) -> Schema:
    schema = item_schema(listing)
    return shaped(**schema["properties"], **more)


def _one(
    path: str, name: str, tag: str, summary: str, view: Any, schema: Schema, scope: str = RISK_READ
) -> Route:
    return Route(
        method="GET",
        path=path,
        name=name,
        tag=tag,
        summary=summary,
        scopes=(scope,),
        view=view,
        answers={200: Answer("This one.", schema)},
        arguments={"number": NUMBER} if "{number}" in path else {},
        refusals=(404,),
    )


ROUTES = (
    *(listed.route() for listed in LISTS),
    _one(
        "/detections/{detection_id}",
        "getDetection",
        "detections",
        "One detection, with its evidence.",
        _detection,
        _with(DETECTIONS, evidence=ANYTHING),
    ),
    _one(
        "/users/{user_id}",
        "getUser",
        "users",
        "One person.",
        _user,
        _with(USERS, risk_changed=TIME_OR_NOTHING, must_change_password=TRUTH),
    ),
    _one(
        "/sign-ins/{sign_in_id}",
        "getSignIn",
        "sign-ins",
        "One sign-in, with what was known when it was judged.",
        _sign_in,
        _with(
            SIGN_INS, state=TEXT, detail=TEXT, signals=ANYTHING, not_evaluated=ANYTHING, ended=TIME_OR_NOTHING
        ),
    ),
    _one(
        "/receipts/{number}",
        "getReceipt",
        "receipts",
        "One decision: the facts, every policy with its unmet conditions, and whether it comes out the same again.",
        _receipt,
        _with(RECEIPTS, facts=ANYTHING, policies=several(ANYTHING), recomputed_same=TRUTH),
    ),
    _one(
        "/audit-events/{number}",
        "getAuditEvent",
        "audit",
        "One event, with its seal.",
        _audit_event,
        _with(
            AUDIT,
            sign_in_id={"type": ["string", "null"]},
            position={"type": ["integer", "null"]},
            seal={"type": ["string", "null"]},
        ),
        AUDIT_READ,
    ),
)
