"""Commands about single sign-ins and the decisions about them."""

from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import gate
from idprotect.cli import shown
from idprotect.cli.base import Result, command, idprotect
from idprotect.errors import NotFound
from idprotect.models import Receipt, RiskDetection, SignIn, User, session

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
        "sign_in": shown.sign_in(sign_in) if sign_in else None,
        "detections": [
            shown.detection(row) for row in session().scalars(select(RiskDetection).where(of_sign_in))
        ],
    }
