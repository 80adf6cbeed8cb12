"""Any access request and any valid set of policies, for the properties that must hold for all of them.

A value is made from a string of bytes, one byte a choice: drawing thousands of them takes seconds, and a failing one
shrinks to the first choice of each field, the harmless one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from idprotect.conditional_access import (
    AcceptedTerms,
    AccessRequest,
    Control,
    Policy,
    PolicySet,
    PolicyState,
    Selection,
    Strength,
    Unregistered,
    validity_problems,
)
from idprotect.conditional_access.expressions import Expression
from idprotect.risk import RiskLevel
from tests.conditional_access.examples import HIGH, LOW, MEDIUM, NONE, NOW, SIGNED_IN_AT

Choices = dict[str, Sequence[Any]]


def choose(choices: Choices, drawn: bytes) -> dict[str, Any]:
    """Return one choice for each name."""
    return {
        name: options[byte % len(options)]
        for (name, options), byte in zip(choices.items(), drawn, strict=True)
    }


def sets(*members: Any) -> list[frozenset[Any]]:
    """Return nothing, each member, and both of two."""
    return [frozenset(), *(frozenset({member}) for member in members), frozenset(members)]


# What is usual stands there several times, so that most policies apply and most steps are still to be done. Moments are
# on both sides of each other, and some fall together.
HOUR_AGO, TWO_HOURS_AGO = NOW - timedelta(hours=1), NOW - timedelta(hours=2)
MOMENTS = (None, NOW, SIGNED_IN_AT, HOUR_AGO, HOUR_AGO - timedelta(microseconds=1), TWO_HOURS_AGO)
NOT_YET = (None,) * 5
PROMPTS = (None, *(NOW - timedelta(days=days) for days in (-1, 0, 1, 13, 14, 40)))
RULES = (
    (),
    (AcceptedTerms("rules", at=HOUR_AGO),),
    (AcceptedTerms("rules", version=2, required=3, at=HOUR_AGO),),
    (AcceptedTerms("rules", at=NOW - timedelta(days=31), valid_days=30),),
    (AcceptedTerms("rules", at=NOW - timedelta(days=29), valid_days=30), AcceptedTerms("privacy")),
)
FACTS: Choices = {
    "username": ("ada", "eve"),
    "client_id": ("notes", "bank"),
    "scopes": sets("openid", "payments"),
    "groups": sets("staff", "guests"),
    "roles": [*sets(), *sets(), *sets("administrator", "reader")],
    "enabled": (*[True] * 15, False),
    "sign_in_risk": tuple(RiskLevel),
    "signed_in_at": (SIGNED_IN_AT, HOUR_AGO, TWO_HOURS_AGO),
    "user_risk": tuple(RiskLevel),
    "user_risk_at": MOMENTS,
    "country": (None, "CH", "DE"),
    "known_device": (False, True),
    "registered": (False, True, True),
    "authenticated_at": (None, NOW, SIGNED_IN_AT, HOUR_AGO, TWO_HOURS_AGO),
    "amr": sets("otp", "hwk"),
    "strengths": (frozenset(), frozenset({"phishing_resistant"})),
    "mfa_at": (*NOT_YET, *MOMENTS),
    "recovers_without_password": (False, False, True),
    "registering": (*[False] * 5, True),
    "recovered_at": (*NOT_YET, *MOMENTS),
    "noticed_at": (*NOT_YET, *MOMENTS),
    "registration_prompted_at": PROMPTS,
    "registration_skipped": (False, True),
    "temporary_password": (*[False] * 9, True),
    "stopped_sign_in": (*[False] * 9, True),
    "vouched_for": (*[False] * 5, True),
    "step_up": (*[False] * 9, True),
    "consented": (*[True] * 9, False),
    "accepted_terms": RULES,
}


def _request(drawn: bytes) -> AccessRequest:
    facts = choose(FACTS, drawn)
    if facts["user_risk"]:  # since some moment
        facts["user_risk_at"] = facts["user_risk_at"] or HOUR_AGO
    return AccessRequest(at=NOW, user_id="u1", **facts)


access_requests: st.SearchStrategy[AccessRequest] = st.binary(min_size=len(FACTS), max_size=len(FACTS)).map(
    _request
)

EMPTY: frozenset[Any] = frozenset()
AT_RISK = frozenset({MEDIUM, HIGH})
LEVELS = (
    EMPTY,
    AT_RISK,
    frozenset({HIGH}),
    frozenset({LOW}),
    frozenset({NONE, MEDIUM}),
    frozenset(RiskLevel),
)
WHO = (
    *[Selection()] * 6,
    Selection(exclude=frozenset({"user:eve"})),
    Selection(exclude=frozenset({"role:reader"})),
    Selection(include=frozenset({"user:ada", "group:staff"})),
    Selection(frozenset({"group:staff"}), frozenset({"group:guests"})),
)
MFA, CURE = frozenset({Control.MFA}), frozenset({Control.MFA, Control.PASSWORD_CHANGE})
REMEDIATION = frozenset({Control.MFA, Control.RISK_REMEDIATION})
REGISTRATION, RULES_ALONE = frozenset({Control.REGISTRATION}), frozenset({"rules"})
EXPRESSIONS = (
    'known_device or user_risk >= "medium"',
    'country not in ["CH", "AT"] and not registered',
    '"low" < sign_in_risk and ("staff" in groups or user_risk == "none")',
)
TERMS: Choices = {
    "controls": (*[MFA, CURE, REMEDIATION, REGISTRATION, EMPTY] * 4, frozenset({Control.BLOCK})),
    "terms_of_use": (*[EMPTY] * 4, RULES_ALONE, frozenset({"rules", "privacy"})),
    "state": (*[PolicyState.ON] * 5, PolicyState.REPORT_ONLY, PolicyState.OFF),
    "who": WHO,
    "clients": (
        *[Selection()] * 6,
        Selection(frozenset({"bank"})),
        Selection(EMPTY, frozenset({"bank"})),
    ),
    "user_risk": (EMPTY, *LEVELS),
    "sign_in_risk": (EMPTY, *LEVELS),
    "countries": (
        *[Selection()] * 6,
        Selection(frozenset({"CH"})),
        Selection(EMPTY, frozenset({"CH"})),
    ),
    "known_device": (*[None] * 8, True, False),
    "registering": (*[False] * 6, True),
    "expression": (*[None] * 6, *map(Expression.parse, EXPRESSIONS)),
    "strength": (*[None] * 8, Strength.PHISHING_RESISTANT),
    "sign_in_frequency": (*[None] * 8, timedelta(minutes=5), timedelta(hours=1)),
    "unregistered": (Unregistered.BLOCK, Unregistered.REGISTER),
    "skip_days": (0, 1, 14, 30),
}


def _policy(name: str, drawn: bytes) -> Policy:
    terms = choose(TERMS, drawn)
    if terms["controls"] != REGISTRATION:
        terms["skip_days"] = 0
    else:
        terms |= {"registering": False, "terms_of_use": EMPTY}
    if not terms["controls"]:
        terms["terms_of_use"] = terms["terms_of_use"] or RULES_ALONE
    if terms["terms_of_use"]:
        terms["registering"] = False
    if Control.MFA not in terms["controls"]:
        terms["strength"] = None
    if terms["controls"] == frozenset({Control.BLOCK}):
        terms |= {"sign_in_frequency": None, "terms_of_use": EMPTY}
    if terms["controls"] in (CURE, REMEDIATION):
        terms |= {
            "sign_in_frequency": None,
            "terms_of_use": EMPTY,
            "registering": False,
            "clients": Selection(),
            "countries": Selection(),
            "sign_in_risk": EMPTY,
            "known_device": None,
            "expression": None,
        }
        terms["user_risk"] = terms["user_risk"] - {NONE} or AT_RISK
    found = Policy(name=name, **terms)
    assert validity_problems(found) == []
    return found


def policies(name: str) -> st.SearchStrategy[Policy]:
    """Any policy that a file could hold."""
    return st.binary(min_size=len(TERMS), max_size=len(TERMS)).map(lambda drawn: _policy(name, drawn))


policy_sets: st.SearchStrategy[PolicySet] = st.builds(
    PolicySet,
    version=st.just(1),
    policies=st.integers(0, 4).flatmap(
        lambda count: st.tuples(*(policies(f"p{number}") for number in range(count)))
    ),
    emergency=st.sampled_from([False, False, False, False, False, True]),
    break_glass=st.sampled_from([EMPTY, EMPTY, EMPTY, frozenset({"eve"})]),
)

# Facts as strange as they come, to be stored and read back.
zones = st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-12))])
times = st.datetimes(min_value=datetime(1970, 1, 2), timezones=zones)
names = st.frozensets(st.text(max_size=4), max_size=3)
_BY_KIND: dict[str, st.SearchStrategy[Any]] = {
    "datetime": times,
    "datetime | None": st.none() | times,
    "str": st.text(max_size=8),
    "str | None": st.none() | st.text(max_size=8),
    "frozenset[str]": names,
    "bool": st.booleans(),
    "RiskLevel": st.sampled_from(RiskLevel),
    "tuple[AcceptedTerms, ...]": st.tuples()
    | st.tuples(
        st.builds(
            AcceptedTerms,
            st.text(max_size=4),
            st.integers(),
            st.none() | times,
            st.integers(),
            st.none() | st.integers(),
        )
    ),
}


def _of_kind(annotation: Any) -> st.SearchStrategy[Any]:
    name = annotation.__name__ if type(annotation) is type or annotation is RiskLevel else str(annotation)
    return _BY_KIND[name.replace("datetime.datetime", "datetime").replace(f"{AcceptedTerms.__module__}.", "")]


strange_requests: st.SearchStrategy[AccessRequest] = st.builds(
    AccessRequest, **{name: _of_kind(kind) for name, kind in AccessRequest.__annotations__.items()}
)
