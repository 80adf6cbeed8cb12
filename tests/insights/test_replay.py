"""A draft is run over a log: what changes, for whom, how many prompts; and the same facts give the same answer."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idprotect.conditional_access import AccessRequest, PolicySet, PolicyState, Step, evaluate
from idprotect.insights.effect import Effect, effects
from idprotect.insights.impact import impact
from idprotect.insights.log import Entry, of_lines, of_requests
from idprotect.insights.replay import Course, Report, replay
from idprotect.insights.what_if import what_if
from tests.conditional_access.examples import (
    DAY,
    HIGH,
    MFA_ALWAYS,
    MINUTE,
    NOW,
    SIGN_IN_BLOCK,
    SIGN_IN_MFA,
    USER_BLOCK,
    asking,
    from_file,
    in_force,
)
from tests.conditional_access.strategies import access_requests, policy_sets

NOTHING = in_force()


def sign_in(name: str, *requests: AccessRequest, before: PolicySet = NOTHING, **fields: Any) -> list[Entry]:
    """Return the decisions of one sign-in."""
    return [
        Entry(r, evaluate(before, r), name, f"{name}-{place}", **fields) for place, r in enumerate(requests)
    ]


RISKY = asking(sign_in_risk=HIGH, registered=True)
PASSED = replace(RISKY, at=NOW + MINUTE, mfa_at=NOW + MINUTE, noticed_at=NOW)


def test_a_sign_in_counts_once_however_often_it_was_decided() -> None:
    """D01: code, refresh and pages are decisions about the same sign-in."""
    log = [*sign_in("a", RISKY, RISKY, RISKY), *sign_in("b", asking(), asking())]
    report = Report.of(replay(in_force(SIGN_IN_MFA), log))
    assert (report.sign_ins, report.changes) == (2, {("allowed", "notice_required"): 1})
    assert report.users["ada"].after == 1


def test_what_somebody_was_asked_for_before_is_no_change() -> None:
    """D01: whoever proved a factor then would have to prove it now; the same draft changes nothing."""
    force = in_force(SIGN_IN_MFA)
    (judged,) = replay(force, sign_in("a", RISKY, PASSED, before=force))
    assert not judged.changed
    assert judged.before == Course("notice_required", frozenset({Step.MFA}))
    (judged,) = replay(in_force(SIGN_IN_BLOCK), sign_in("a", RISKY, PASSED, before=force))
    assert (judged.after.outcome, judged.policies) == ("blocked", ("sign-in-block",))


def test_the_reference_is_that_of_the_decision_at_which_they_part() -> None:
    """D01: links to the receipts."""
    later = asking(user_risk=HIGH, registered=True)
    (judged,) = replay(in_force(USER_BLOCK), sign_in("a", asking(), later, later))
    assert judged.reference == "a-1"


def test_prompts_are_counted_by_user_and_week() -> None:
    """D01, D23: two users, two weeks, three prompts; none before."""
    log = []
    for day, name in ((0, "ada"), (7, "ada"), (14, "eve")):
        log += sign_in(
            f"s{day}", asking(at=NOW + day * DAY, username=name, sign_in_risk=HIGH, registered=True)
        )
    told = Report.of(replay(in_force(SIGN_IN_MFA), log)).to_dict()
    assert told["prompts_per_user_and_week"] == {"before": 0.0, "after": 0.75}
    assert (told["users"], told["users_affected"], told["users_stopped"]) == (2, 2, 0)
    assert told["most_affected"][0] == {"user": "ada", "before": 0, "after": 2, "changed": 2, "stopped": 0}
    assert [one["sign_in"] for one in told["newest"]] == ["s14", "s7", "s0"]


def test_only_so_many_sign_ins_are_kept() -> None:
    """D01: a stream of any length, read once; the newest are listed, all are counted."""

    def stream() -> Iterator[Entry]:
        for number in range(2000):
            at = NOW + timedelta(seconds=number)
            yield from sign_in(f"s{number}", asking(at=at, sign_in_risk=HIGH, registered=True))

    report = Report.of(replay(in_force(SIGN_IN_BLOCK), stream()), most=3)
    assert report.changes.total() == report.users["ada"].stopped == 2000
    assert [judged.sign_in_id for judged in report.newest] == ["s1999", "s1998", "s1997"]


def test_locations_of_a_draft_are_looked_up_anew() -> None:
    """F055, D01: the log knows addresses, the draft says what they are called."""
    draft = from_file(
        '[[location]]\nname = "lab"\nnetworks = ["192.0.2.0/24"]\n'
        '[[policy]]\nname = "p"\nstate = "on"\nwhen = { locations = ["lab"] }\nthen = { require = ["block"] }\n'
    )
    inside = sign_in("a", asking(), ip_address="192.0.2.7")
    outside = sign_in("b", asking(), ip_address="203.0.113.7")
    assert [judged.changed for judged in replay(draft, [*inside, *outside])] == [True, False]


# A log from elsewhere


def test_a_log_of_json_lines_is_read_and_what_is_broken_is_told() -> None:
    """D01: the rest is not lost."""
    facts = json.dumps(RISKY.to_dict())
    around = json.dumps(
        {"facts": RISKY.to_dict(), "sign_in_id": "s1", "reference": "AAAAA", "ip_address": "192.0.2.1"}
    )
    problems: list[str] = []
    lines = [facts, "", "{", '{"at": 1}', "[]", '{"facts": {"mood": "good"}}', around]
    entries = list(of_lines(lines, in_force(SIGN_IN_MFA), problems))
    assert [(e.sign_in_id, e.reference, e.ip_address) for e in entries] == [
        ("line 1", "", None),
        ("s1", "AAAAA", "192.0.2.1"),
    ]
    assert entries[0].request == RISKY
    assert [problem.split(":")[0] for problem in problems] == ["line 3", "line 4", "line 5", "line 6"]


# The effect of trials


@pytest.mark.parametrize(
    ("request_", "effect"),
    [
        (asking(), Effect.NOT_APPLIED),
        (PASSED, Effect.SUCCESS),
        (RISKY, Effect.ACTION_REQUIRED),
        (asking(sign_in_risk=HIGH), Effect.FAILURE),
    ],
)
def test_a_trial_has_one_of_four_effects(request_: AccessRequest, effect: Effect) -> None:
    """F050: four crafted sign-ins give the four values."""
    trial = in_force(replace(SIGN_IN_MFA, state=PolicyState.REPORT_ONLY))
    assert effects(sign_in("a", request_, before=trial)) == {"sign-in-mfa": {effect: 1}}


def test_the_hardest_effect_on_a_sign_in_counts() -> None:
    """F050: a factor proved later does not hide that it was asked for; what is enforced is not on trial."""
    trial = replace(SIGN_IN_MFA, state=PolicyState.REPORT_ONLY)
    force = in_force(trial, MFA_ALWAYS)
    log = [*sign_in("a", RISKY, PASSED, before=force), *sign_in("b", PASSED, before=force)]
    assert effects(log) == {"sign-in-mfa": {Effect.ACTION_REQUIRED: 1, Effect.SUCCESS: 1}}


# Who would be hit now


def test_an_impact_counts_whom_a_change_hits_now() -> None:
    """F051, F065: users at risk already, users without a factor, administrators by name."""
    people = [
        asking(username="ada", registered=True),
        asking(username="bob", roles={"administrator"}),
        asking(username="eve", user_risk=HIGH),
    ]
    told = impact(NOTHING, in_force(USER_BLOCK, MFA_ALWAYS), people).to_dict()
    assert (told["users"], told["hit"], told["at_risk_already"], told["without_second_factor"]) == (
        3,
        3,
        1,
        2,
    )
    assert told["administrators"] == ["bob"]
    assert {(row["before"], row["after"]): row["users"] for row in told["outcomes"]} == {
        ("allowed", "mfa_required"): 1,
        ("allowed", "registration_required"): 1,
        ("allowed", "blocked"): 1,
    }
    assert impact(in_force(MFA_ALWAYS), in_force(MFA_ALWAYS), people).hit == 0


# One evaluator


@settings(max_examples=300)
@given(policy_sets, access_requests)
def test_live_what_if_replay_and_receipt_give_the_same_outcome(
    force: PolicySet, request: AccessRequest
) -> None:
    """D03, D02: the same facts, the same words, from whichever tool."""
    live = evaluate(force, request)
    imagined = what_if(force, request)
    assert imagined.decision == live
    said = {result.policy: (result.word, list(result.unmet)) for result in live.results}
    told = {p.name: (p.outcome, list(p.unmet)) for p in imagined.policies if "state" not in p.unmet}
    assert told == said
    (replayed,) = replay(force, of_requests([request], NOTHING))
    assert replayed.after.outcome == live.outcome
    stored = json.loads(json.dumps(request.to_dict()))
    (read_back,) = of_lines([json.dumps(stored)], force, [])
    assert read_back.before == live


@settings(max_examples=300)
@given(policy_sets, access_requests)
def test_on_trial_each_policy_says_what_it_would_say_were_it_enforced(
    force: PolicySet, request: AccessRequest
) -> None:
    """D03, F049: report-only differs by its ``would_`` alone, for one policy among others that stay as they are."""
    for place, policy in enumerate(force.policies):
        if policy.state is PolicyState.OFF or force.emergency:
            continue
        said = []
        for state in (PolicyState.ON, PolicyState.REPORT_ONLY):
            among = [*force.policies]
            among[place] = replace(policy, state=state)
            results = evaluate(replace(force, policies=tuple(among)), request).results
            said.append(next(result.word for result in results if result.policy == policy.name))
        assert said[0].removeprefix("would_") == said[1].removeprefix("would_")


@settings(max_examples=200)
@given(policy_sets, policy_sets, st.lists(access_requests, max_size=5))
def test_replaying_what_is_in_force_changes_nothing_and_a_draft_what_it_decides_otherwise(
    force: PolicySet, draft: PolicySet, requests: list[AccessRequest]
) -> None:
    """D01: no tool has an opinion of its own."""
    assert Report.of(replay(force, of_requests(requests, force))).changes.total() == 0
    changed = sum(
        Course.of([evaluate(force, request)]) != Course.of([evaluate(draft, request)]) for request in requests
    )
    assert Report.of(replay(draft, of_requests(requests, force))).changes.total() == changed
