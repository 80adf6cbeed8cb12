"""Commands about single sign-ins and the decisions about them."""

from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import gate, protection
from idprotect.cli import shown
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.errors import NotFound
from idprotect.models import Receipt, RiskDetection, SignIn, User, session
from idprotect.risk import RiskLevel

sign_in_group = AppGroup("sign-in", help="Single sign-ins.")
idprotect.add_command(sign_in_group)


@command(sign_in_group, "find")
@click.argument("reference")
def find_sign_in(reference: str) -> Result:
    """Find the decision behind a reference number, with its reasons, and make it again."""
    receipts = gate.find_receipts(reference)
    if not receipts:
        raise NotFound(f"no decision has the reference {reference!r}")
    return [_receipt(receipt) for receipt in receipts]


@command(sign_in_group, "confirm-compromised")
@click.argument("sign_in_id")
@click.option("--reason", "--note", "note", default="", help="What it is known from.")
@click.option("--keep-sessions", is_flag=True)
def confirm_sign_in_compromised(sign_in_id: str, note: str, keep_sessions: bool) -> Result:
    """Confirm that a sign-in was not by its owner; sessions and tokens end, and what came since is not learnt."""
    sign_in, user = _find_sign_in(sign_in_id)
    protection.confirm_sign_in_compromised(user, sign_in, operator(), note, end_sessions=not keep_sessions)
    return _sign_in(sign_in)


@command(sign_in_group, "confirm-safe")
@click.argument("sign_in_id")
@click.option("--reason", required=True)
def confirm_sign_in_safe(sign_in_id: str, reason: str) -> Result:
    """Confirm that a sign-in was by its owner; its context is learnt."""
    sign_in, user = _find_sign_in(sign_in_id)
    protection.confirm_sign_in_safe(user, sign_in, operator(), reason)
    return _sign_in(sign_in)


@command(sign_in_group, "dismiss")
@click.argument("sign_in_id")
@click.option("--reason", required=True)
def dismiss_sign_in(sign_in_id: str, reason: str) -> Result:
    """Dismiss the risk of a sign-in."""
    sign_in, user = _find_sign_in(sign_in_id)
    protection.dismiss_sign_in(user, sign_in, operator(), reason)
    return _sign_in(sign_in)


def _find_sign_in(sign_in_id: str) -> tuple[SignIn, User]:
    sign_in = session().get(SignIn, sign_in_id)
    if sign_in is None or sign_in.user_id is None:
        raise NotFound(f"no sign-in has the id {sign_in_id!r}")
    user = session().get(User, sign_in.user_id)
    if user is None:
        raise NotFound("the user of this sign-in was deleted; close its detections one by one")
    return sign_in, user


def _sign_in(sign_in: SignIn) -> dict[str, Any]:
    return {
        "id": sign_in.id,
        "at": sign_in.signed_in_at.isoformat(),
        "ip_address": sign_in.ip_address,
        "device": sign_in.device_name,
        "amr": list(sign_in.amr),
        "risk_real_time": sign_in.risk.label,
        "risk_aggregated": RiskLevel(sign_in.aggregated_level).label,
        "risk_state": sign_in.risk_state,
        "risk_detail": sign_in.risk_detail,
        "not_evaluated": dict(sign_in.not_evaluated),
        "teaches": sign_in.teaches,
        "completed": sign_in.completed_at is not None,
        "ended": sign_in.end_reason,
        "simulated": sign_in.simulated,
    }


def _receipt(receipt: Receipt) -> dict[str, Any]:
    again = gate.recompute(receipt)
    same = [
        result.to_dict() for result in again.results
    ] == receipt.results and again.outcome == receipt.outcome
    sign_in = session().get(SignIn, receipt.sign_in_id)
    user = session().get(User, receipt.user_id)
    of_sign_in = RiskDetection.sign_in_id == receipt.sign_in_id
    return {
        "reference": receipt.reference,
        "at": receipt.at.isoformat(),
        "user": user.username if user else receipt.user_id,
        "client": receipt.client_id,
        "endpoint": receipt.endpoint,
        "outcome": receipt.outcome,
        "reason": receipt.reason,
        "policy_version": receipt.policy_version,
        "policies": receipt.results,
        "facts": receipt.facts,
        "recomputed": "same answer" if same else f"DIFFERENT: {again.outcome}",
        "sign_in": _sign_in(sign_in) if sign_in else None,
        "detections": [
            shown.detection(row) for row in session().scalars(select(RiskDetection).where(of_sign_in))
        ],
    }
