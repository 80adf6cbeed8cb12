"""Facts that are stored and read back decide the same again."""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given

from idprotect.conditional_access import AcceptedTerms, AccessRequest, PolicySet, evaluate
from idprotect.risk import RiskLevel
from tests.conditional_access.examples import HIGH, LOW, MEDIUM, NOW, USER_RECOVERY, asking, in_force
from tests.conditional_access.strategies import access_requests, policy_sets, strange_requests


@given(strange_requests)
def test_the_facts_of_a_receipt_are_read_back_as_they_were(request: AccessRequest) -> None:
    """D02: through JSON, as a database keeps them."""
    stored = json.loads(json.dumps(request.to_dict()))
    assert AccessRequest.from_dict(stored) == request


@given(policy_sets, access_requests)
def test_a_decision_made_again_from_its_receipt_is_the_same(
    policies: PolicySet, request: AccessRequest
) -> None:
    """D02: steps, reasons and what each policy said."""
    stored = json.loads(json.dumps(request.to_dict()))
    assert evaluate(policies, AccessRequest.from_dict(stored)) == evaluate(policies, request)


def test_a_receipt_keeps_what_differs_from_the_default() -> None:
    """D02: readable by an administrator, and short."""
    request = asking(user_risk=HIGH, groups={"b", "a"}, registered=True, consented=False)
    assert request.to_dict() == {
        "at": "2026-03-01T12:00:00+00:00",
        "user_id": "u1",
        "username": "ada",
        "client_id": "notes",
        "groups": ["a", "b"],
        "signed_in_at": "2026-03-01T11:59:00+00:00",
        "user_risk": "high",
        "user_risk_at": "2026-03-01T11:00:00+00:00",
        "registered": True,
        "consented": False,
    }


OTHER: dict[str, Any] = {
    "scopes": frozenset({"openid", "email"}),
    "groups": frozenset({"staff"}),
    "roles": frozenset({"administrator"}),
    "enabled": False,
    "sign_in_risk": LOW,
    "signed_in_at": NOW,
    "session_risk": HIGH,
    "session_risk_at": NOW,
    "user_risk": MEDIUM,
    "user_risk_at": NOW,
    "locations": frozenset({"office"}),
    "country": "CH",
    "platform": "ios",
    "known_device": True,
    "registered": True,
    "strengths": frozenset({"phishing_resistant"}),
    "authenticated_at": NOW,
    "amr": frozenset({"pwd", "otp"}),
    "mfa_at": NOW,
    "recovers_without_password": True,
    "recovered_at": NOW,
    "noticed_at": NOW,
    "registration_prompted_at": NOW,
    "registration_skipped": True,
    "temporary_password": True,
    "stopped_sign_in": True,
    "vouched_for": True,
    "step_up": True,
    "registering": True,
    "console": True,
    "mfa_demanded": True,
    "risk_limit": RiskLevel.MEDIUM,
    "accepted_terms": (AcceptedTerms("rules", 2, NOW, 3, 30), AcceptedTerms("privacy")),
    "consented": False,
}


def test_every_fact_is_among_those_that_are_proved_to_survive() -> None:
    """D02: a new fact has to be added here."""
    needed = {"at", "user_id", "username", "client_id"}
    assert {field.name for field in fields(AccessRequest)} == needed | set(OTHER)


@pytest.mark.parametrize("name", OTHER)
def test_each_fact_survives_being_stored(name: str) -> None:
    """D02."""
    request = AccessRequest(NOW, "u1", "ada", "notes", **{name: OTHER[name]})
    stored = json.loads(json.dumps(request.to_dict()))
    assert name in stored
    assert getattr(AccessRequest.from_dict(stored), name) == OTHER[name]
    assert type(getattr(AccessRequest.from_dict(stored), name)) is type(OTHER[name])


def test_a_time_in_another_zone_stays_the_same_moment() -> None:
    """PostgreSQL may hand out local times: the comparison with the risk is about moments."""
    zone = timezone(timedelta(hours=5, minutes=45))
    request = asking(user_risk=HIGH, registered=True, mfa_at=NOW.astimezone(zone), recovered_at=NOW)
    again = AccessRequest.from_dict(request.to_dict())
    assert again.mfa_at == NOW
    assert evaluate(in_force(USER_RECOVERY), again).allowed


def test_microseconds_are_kept() -> None:
    """A factor proved a microsecond before the risk stays before it."""
    moment = datetime(2026, 3, 1, 11, 59, 59, 999_999, tzinfo=UTC)
    request = asking(user_risk=HIGH, user_risk_at=NOW, registered=True, mfa_at=moment)
    again = AccessRequest.from_dict(request.to_dict())
    assert again.mfa_at == moment
    assert not evaluate(in_force(USER_RECOVERY), again).allowed


def test_facts_that_nobody_knows_are_refused() -> None:
    """I3: a receipt of another version is not read as if something were left out."""
    with pytest.raises(TypeError):
        AccessRequest.from_dict({**asking().to_dict(), "mood": "good"})
    with pytest.raises(ValueError, match="unknown risk level"):
        AccessRequest.from_dict({**asking().to_dict(), "user_risk": "severe"})
    with pytest.raises(TypeError):
        AccessRequest.from_dict({"at": NOW.isoformat()})


def test_an_administrator_is_whoever_has_the_role() -> None:
    assert asking(roles={"administrator", "reader"}).is_administrator
    assert not asking(roles={"reader"}, groups={"administrator"}, username="administrator").is_administrator
