"""``POST /api/v1/findings``: an authorised client tells what it found out about a user or a sign-in.

It becomes an ``external_finding`` at the level reported, and counts from the next decision on. The answer tells
nothing about the user but that there is one.
"""

from http import HTTPStatus

from flask import Response, jsonify
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from idprotect import gate, protection
from idprotect.api.problems import Problem
from idprotect.api.reported import BODY, Reported
from idprotect.api.reported import read as reported_in
from idprotect.api.routes import Answer, Call, Route
from idprotect.api.schemas import TEXT, shaped
from idprotect.models import ClientRules, RiskDetection, SignIn, User, session
from idprotect.risk import Finding
from idprotect.risk.detections.reports import external_finding
from idprotect.runtime import runtime

SCOPE = "idprotect:findings"


def _report(call: Call) -> Response:
    """Store a finding: 201, or 200 when the client reported it before."""
    client, reported = call.client, reported_in(call.body)
    user = _user(reported)
    sign_in = _sign_in(reported, user)
    source = reported.source or client.name
    finding = external_finding(reported.level, reported.about, source, reported.title, reported.reasons)
    is_new = _store(client, reported, finding, user, sign_in)
    answer = jsonify(id=reported.id)
    answer.status_code = HTTPStatus.CREATED if is_new else HTTPStatus.OK
    return answer


def _store(
    client: ClientRules, reported: Reported, finding: Finding, user: User, sign_in: SignIn | None
) -> bool:
    """Store a finding once by the client's own id; return whether it is new."""
    client_id, user_id, sign_in_id = client.id, user.id, sign_in.id if sign_in else None
    protection.hold(user_id)
    earlier = _earlier(client_id, reported.id)
    if earlier is None:
        try:
            origin = protection.Report(client_id, reported.id)
            protection.raise_detection(user, finding, sign_in, actor=f"client:{client_id}", report=origin)
            session().commit()
            return True
        except IntegrityError:  # at the same moment, about somebody else
            session().rollback()
            earlier = _earlier(client_id, reported.id)
    if earlier is None or not _is_same(earlier, finding, user_id, sign_in_id):
        raise Problem(HTTPStatus.CONFLICT, "Another finding was reported by this id.")
    return False


def _earlier(client_id: str, report_id: str) -> RiskDetection | None:
    statement = select(RiskDetection).where(
        RiskDetection.client_id == client_id, RiskDetection.report_id == report_id
    )
    return session().scalar(statement)


def _is_same(row: RiskDetection, finding: Finding, user_id: str, sign_in_id: str | None) -> bool:
    said = (row.user_id, row.sign_in_id, row.about, row.level, tuple(row.reasons))
    return said == (user_id, sign_in_id, str(finding.about), int(finding.level), finding.reasons)


def _user(reported: Reported) -> User:
    user = (
        session().get(User, reported.sub)
        if reported.sub is not None
        else runtime().directory.find(reported.username or "")
    )
    if user is None:
        raise Problem(HTTPStatus.NOT_FOUND, "There is no such user.")
    return user


def _sign_in(reported: Reported, user: User) -> SignIn | None:
    """Return the sign-in by its id, or by the reference number of a page that it led to."""
    if reported.sign_in is None:
        return None
    ids = {receipt.sign_in_id for receipt in gate.find_receipts(reported.sign_in)} | {reported.sign_in}
    of_user = (SignIn.id.in_(ids), SignIn.user_id == user.id, SignIn.succeeded)
    sign_in = session().scalar(select(SignIn).where(*of_user))
    if sign_in is None:
        raise Problem(HTTPStatus.NOT_FOUND, "The user has no such sign-in.")
    return sign_in


FINDINGS = Route(
    method="POST",
    path="/findings",
    name="reportFinding",
    tag="findings",
    summary="Report what you found out about a user or a sign-in.",
    scopes=(SCOPE,),
    view=_report,
    body=BODY,
    answers={
        201: Answer("It counts.", shaped(id=TEXT)),
        200: Answer("You reported it before.", shaped(id=TEXT)),
    },
    refusals=(404, 409, 422),
    watched=False,  # an incident is when there are many
)
