"""The sign-in log, and the page of one sign-in: what was known, found, decided, asked and done."""

from typing import Any

from flask import Response, abort, url_for
from sqlalchemy import select

from idprotect import gate, policies, roles
from idprotect.admin import door
from idprotect.admin.acts_view import offered
from idprotect.admin.list_view import ListView
from idprotect.admin.view import expose
from idprotect.conditional_access import Step
from idprotect.insights.stops import stop_of
from idprotect.lists import RISKY_SIGN_INS, SESSIONS, SIGN_INS
from idprotect.lists.sign_ins import outcome_of
from idprotect.models import AuditEvent, Client, Receipt, RiskDetection, SignIn, User, session

SHOWN_RECEIPTS, SHOWN_EVENTS = 30, 100


class RiskySignInsView(ListView):
    """Sign-ins in which something was found."""

    key, listing = "risky_sign_ins", RISKY_SIGN_INS


class SessionsView(ListView):
    """Sign-ins that are good still."""

    key, listing = "sessions", SESSIONS


class SignInsView(ListView):
    """Every sign-in."""

    key, listing = "sign_ins", SIGN_INS

    @expose("/<sign_in_id>")
    def details(self, sign_in_id: str) -> Response:
        """One sign-in; the help desk sees what became of it, and not how it was judged."""
        sign_in = session().get(SignIn, sign_in_id)
        if sign_in is None:
            abort(404)
        shows_evidence = door.may(roles.EVIDENCE)
        receipts = [_receipt(row) for row in _receipts(sign_in)]
        return self.page(
            "sign_in.html",
            sign_in=sign_in,
            user=session().get(User, sign_in.user_id) if sign_in.user_id else None,
            outcome=outcome_of(sign_in),
            shows_evidence=shows_evidence,
            offered=offered("sign_in", sign_in.id),
            detections=_detections(sign_in) if shows_evidence else [],
            receipts=receipts,
            stop=receipts[0]["stop"] if receipts else None,
            events=_events(sign_in) if shows_evidence else [],
            list_url=url_for(f"{self.endpoint}.index"),
        )


def _detections(sign_in: SignIn) -> Any:
    statement = select(RiskDetection).where(RiskDetection.sign_in_id == sign_in.id)
    rows = session().scalars(statement.order_by(RiskDetection.detected_at)).all()
    return [(row, offered("detection", row.id)) for row in rows]


def _receipts(sign_in: SignIn) -> Any:
    statement = select(Receipt).where(Receipt.sign_in_id == sign_in.id)
    return session().scalars(statement.order_by(Receipt.id.desc()).limit(SHOWN_RECEIPTS)).all()


def _receipt(receipt: Receipt) -> dict[str, Any]:
    """Return one decision as it is shown, made again to see that it is still the same."""
    again = gate.recompute(receipt)
    client = session().get(Client, receipt.client_id)
    return {
        "row": receipt,
        "application": client.name if client is not None else receipt.client_id,
        "steps": [str(step).replace("_", " ") for step in again.steps if step is not Step.BLOCK],
        "is_same": again.outcome == receipt.outcome
        and [result.to_dict() for result in again.results] == receipt.results,
        "again": again.outcome,
        "stop": stop_of(policies.load(receipt.policy_version), again),
    }


def _events(sign_in: SignIn) -> Any:
    statement = select(AuditEvent).where(AuditEvent.sign_in_id == sign_in.id)
    return session().scalars(statement.order_by(AuditEvent.id).limit(SHOWN_EVENTS)).all()
