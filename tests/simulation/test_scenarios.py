"""Scenarios: each raises what its name promises, the same with the same seed, whatever was played before."""

import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idprotect import policies
from idprotect.models import RiskDetection, SignIn, Token, User, session
from idprotect.simulation import SCENARIOS
from tests.support.world import MFA_POLICY, SIGN_IN_RISK_POLICY, USER_RISK_POLICY

#: What people read in the documentation: these names are promises, too.
PROMISES = {
    "traveller": [],
    "new-phone": [],
    "new-country": ["new_country"],
    "impossible-traveller": ["impossible_travel", "unfamiliar_sign_in"],
    "anonymiser": ["anonymous_ip", "unfamiliar_sign_in"],
    "sprayed-account": ["password_spray", "unfamiliar_sign_in"],
    "brute-force": ["repeated_failures"],
    "stolen-cookie": ["anomalous_token"],
    "leaked-password": ["leaked_credentials"],
    "shared-browser": ["suspicious_browser"],
}
#: What a seed does not decide: numbers that have to be unguessable.
RANDOM = ("reference", "sign_in_id")


def told(outcome: dict[str, Any]) -> dict[str, Any]:
    """Return what a seed decides."""
    return {name: value for name, value in outcome.items() if name not in RANDOM}


def apply(*documents: str) -> None:
    """Put policies into force."""
    policies.apply(tomllib.loads("\n".join(documents)), "test")
    session().commit()


def test_there_is_a_scenario_for_each_promise() -> None:
    """F115: what is documented can be played."""
    assert {name: sorted(scenario.promises) for name, scenario in SCENARIOS.items()} == PROMISES


@pytest.mark.parametrize("name", PROMISES)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_scenario_raises_what_it_promises_and_nothing_else(
    name: str, seed: int, simulate: Callable[..., Any]
) -> None:
    """F115, D10: by its name, with reasons, and stored where everything else is."""
    [outcome] = simulate(name, "--seed", str(seed))
    assert sorted(found["name"] for found in outcome["detections"]) == PROMISES[name]
    assert all(found["reasons"] for found in outcome["detections"])
    stored = select(RiskDetection.name).join(User, User.id == RiskDetection.user_id)
    of_owner = stored.where(User.username == outcome["user"])
    assert sorted(session().scalars(of_owner)) == PROMISES[name]


def test_a_seed_decides_everything(simulate: Callable[..., Any]) -> None:
    """D10: the same seed tells the same story with the same result, though others were played between."""
    [first] = simulate("anonymiser", "--seed", "7")
    [other] = simulate("anonymiser", "--seed", "8")
    [again] = simulate("anonymiser", "--seed", "7")
    assert told(again) == told(first)
    assert told(other) != told(first)


def test_the_owner_is_let_in_and_gets_tokens(simulate: Callable[..., Any]) -> None:
    """A simulated sign-in is a real one, up to the exchange of the code."""
    [outcome] = simulate("new-phone")
    assert outcome["ended_at"] == "let_in"
    with_tokens = select(Token.id).where(Token.sign_in_id == outcome["sign_in_id"])
    assert session().scalars(with_tokens).one()


def test_the_past_ended_well_weeks_ago(simulate: Callable[..., Any]) -> None:
    """D10: a history is believable: over weeks, without risk, completed, and never in the future."""
    [outcome] = simulate("traveller")
    of_owner = select(SignIn).join(User, User.id == SignIn.user_id).where(User.username == outcome["user"])
    history = session().scalars(of_owner.order_by(SignIn.signed_in_at)).all()
    assert len(history) == 10
    assert (history[-1].signed_in_at - history[0].signed_in_at).days >= 14
    assert all(sign_in.completed_at and not sign_in.risk_level for sign_in in history)


def test_policies_decide_as_for_everybody(simulate: Callable[..., Any]) -> None:
    """F115: a thief stops at the second factor; the owner recovers; the first decision has a reference number."""
    apply(SIGN_IN_RISK_POLICY, USER_RISK_POLICY)
    sprayed, leaked = simulate("sprayed-account", "leaked-password")
    assert (sprayed["decision"], sprayed["ended_at"]) == ("notice_required", "mfa")
    assert {"policy": "sign-in-risk", "outcome": "mfa_required", "reason": "policy"} in sprayed["policies"]
    assert (leaked["ended_at"], leaked["user_risk"]) == ("let_in", "none")
    assert sprayed["reference"] != leaked["reference"]


def test_people_with_a_second_factor_pass_where_everybody_is_asked(simulate: Callable[..., Any]) -> None:
    """A policy that asks everybody does not keep the owner from having a past."""
    apply(MFA_POLICY)
    [outcome] = simulate("traveller")
    assert outcome["ended_at"] == "let_in"
    assert outcome["detections"] == []


def test_whoever_is_let_in_at_risk_is_told(simulate: Callable[..., Any], app: Flask) -> None:
    """Without policies a thief gets in; what would have been decided is in the receipt."""
    apply(SIGN_IN_RISK_POLICY.replace('"on"', '"report_only"'))
    [outcome] = simulate("anonymiser")
    assert outcome["ended_at"] == "let_in"
    assert outcome["policies"][0]["outcome"] == "would_mfa_required"
    shown = app.test_cli_runner().invoke(args=["idprotect", "sign-in", "find", outcome["reference"]])
    assert "simulated: True" in shown.output


def test_reasons_name_a_program_without_a_system(simulate: Callable[..., Any]) -> None:
    """F024: what a script calls itself is said as it is."""
    [outcome] = simulate("sprayed-account")
    reasons = [reason for found in outcome["detections"] for reason in found["reasons"]]
    assert "browser Python Requests: never seen before" in reasons


def test_a_name_for_the_user(simulate: Callable[..., Any]) -> None:
    """--user names the owner, in one scenario."""
    [outcome] = simulate("new-phone", "--user", "Quentin")
    assert outcome["user"] == "quentin"
    assert "one scenario" in simulate("new-phone", "traveller", "--user", "x", exit_code=1)["error"]
