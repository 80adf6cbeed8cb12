"""An imagined sign-in is told every policy's result, and every condition that does not hold, in words."""

from dataclasses import replace

import pytest

from idprotect.conditional_access import CONDITIONS, Control, PolicyState, Selection
from idprotect.insights.explanation import why
from idprotect.insights.what_if import what_if
from tests.conditional_access.examples import (
    HIGH,
    MEDIUM,
    MFA_ALWAYS,
    SIGN_IN_MFA,
    USER_BLOCK,
    asking,
    in_force,
    policy,
)


def only(names: set[str]) -> Selection:
    return Selection(include=frozenset(names))


NARROW = policy(
    "narrow",
    Control.MFA,
    who=only({"group:staff", "user:eve"}),
    clients=only({"bank"}),
    user_risk={MEDIUM, HIGH},
    sign_in_risk={HIGH},
    locations=only({"office"}),
    countries=only({"CH", "DE"}),
    platforms={"ios"},
    scopes={"payments"},
    known_device=True,
    registering=True,
    expression='registered and (user_risk >= "medium" or country == "unknown" or known_device) and "staff" in groups',
)


def test_every_unmet_condition_is_told_with_what_is_the_case() -> None:
    """F052, C072: all of them, so that nobody has to guess twice."""
    (told,) = what_if(in_force(NARROW), asking(groups={"guests"}, scopes={"openid"})).policies
    assert told.outcome == "not_applied"
    assert told.unmet == {
        "who": "who is asking is group:guests, user:ada, not group:staff or user:eve",
        "clients": "the application is notes, not bank",
        "user_risk": "user risk is none, not medium or high",
        "sign_in_risk": "sign-in risk is none, not high",
        "locations": "the location is none, not office",
        "countries": "the country is unknown, not CH or DE",
        "platforms": "the platform is unknown, not ios",
        "scopes": "the scopes asked for are openid, without payments",
        "known_device": "the device is not known",
        "registering": "no second factor is being added",
        "expression": 'registered is not so: registered is false; "staff" in groups is not so: groups is guests',
    }
    assert set(told.unmet) == set(CONDITIONS)


def test_an_exclusion_is_told_as_the_reason() -> None:
    """F040: in both, so not applied, and why."""
    both = policy("p", Control.MFA, who=Selection(frozenset({"group:staff"}), frozenset({"user:ada"})))
    (told,) = what_if(in_force(both), asking(groups={"staff"})).policies
    assert told.unmet == {"who": "who is asking is excluded: user:ada"}


def test_what_is_not_enforced_says_would_and_what_is_off_says_so() -> None:
    """D03: the words of the log."""
    trial = replace(MFA_ALWAYS, name="trial", state=PolicyState.REPORT_ONLY)
    off = replace(MFA_ALWAYS, name="off", state=PolicyState.OFF)
    answer = what_if(
        in_force(SIGN_IN_MFA, trial, off, USER_BLOCK), asking(sign_in_risk=HIGH, registered=True)
    )
    assert [(told.name, told.outcome) for told in answer.policies] == [
        ("sign-in-mfa", "mfa_required"),
        ("trial", "would_mfa_required"),
        ("off", "not_applied"),
        ("user-block", "not_applied"),
    ]
    assert answer.policies[2].unmet == {"state": "the policy is off"}
    assert answer.to_dict()["outcome"] == "notice_required"
    assert answer.to_dict()["steps"] == ["notice", "mfa"]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_has_words(condition: str) -> None:
    """F053: a new condition has to be explained here, too."""
    assert why(NARROW, asking(), condition)


def test_a_break_glass_account_is_told_as_the_reason() -> None:
    """F064."""
    (told,) = what_if(in_force(MFA_ALWAYS, break_glass=frozenset({"ada"})), asking()).policies
    assert told.unmet == {"break_glass": "ada is a break-glass account, to which no policy applies"}
