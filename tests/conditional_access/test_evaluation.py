"""What one access request is told: the words, the order, the reasons, and when something counts as done."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from idprotect.conditional_access import (
    AccessRequest,
    Control,
    Decision,
    Outcome,
    Policy,
    PolicyState,
    Reason,
    Selection,
    Step,
    Strength,
    Unregistered,
    evaluate,
    skip_days_left,
)
from tests.conditional_access.examples import (
    BLOCK_ALL,
    DAY,
    HIGH,
    HOUR,
    LOW,
    MEDIUM,
    MFA_ALWAYS,
    MINUTE,
    NOW,
    RISK_AT,
    SIGN_IN_BLOCK,
    SIGN_IN_MFA,
    SIGNED_IN_AT,
    USER_BLOCK,
    USER_RECOVERY,
    asking,
    in_force,
    policy,
    registration,
)

REPORT_ONLY, OFF = PolicyState.REPORT_ONLY, PolicyState.OFF
REGISTER_THERE = replace(SIGN_IN_MFA, name="sign-in-register", unregistered=Unregistered.REGISTER)
MOMENT = timedelta(microseconds=1)


def decide(*policies: Policy, **facts: Any) -> Decision:
    return evaluate(in_force(*policies), asking(**facts))


def word(*policies: Policy, **facts: Any) -> str:
    """Return what the first policy says, as it is written in logs."""
    return decide(*policies, **facts).results[0].word


def steps(*policies: Policy, **facts: Any) -> tuple[Step, ...]:
    return decide(*policies, **facts).steps


# The words


def test_the_words_are_those_of_the_product() -> None:
    """D03: one vocabulary for log, report-only, what-if and replay."""
    assert [str(outcome) for outcome in Outcome] == [
        "not_applied",
        "allowed",
        "sign_in_required",
        "mfa_required",
        "mfa_satisfied",
        "password_change_required",
        "recovery_required",
        "registration_required",
        "terms_required",
        "blocked",
    ]


PROVED = {"registered": True, "mfa_at": NOW}
WORDS: list[tuple[Policy, dict[str, Any], str]] = [
    (SIGN_IN_MFA, {}, "not_applied"),
    (SIGN_IN_MFA, {"sign_in_risk": MEDIUM, "registered": True}, "mfa_required"),
    (SIGN_IN_MFA, {"sign_in_risk": MEDIUM, **PROVED}, "mfa_satisfied"),
    (SIGN_IN_MFA, {"sign_in_risk": MEDIUM}, "blocked"),
    (REGISTER_THERE, {"sign_in_risk": MEDIUM}, "registration_required"),
    (MFA_ALWAYS, {"registered": True}, "mfa_required"),
    (MFA_ALWAYS, {}, "registration_required"),
    (USER_RECOVERY, {"user_risk": HIGH, "registered": True}, "mfa_required"),
    (USER_RECOVERY, {"user_risk": HIGH, **PROVED}, "password_change_required"),
    (USER_RECOVERY, {"user_risk": HIGH, **PROVED, "recovered_at": NOW}, "mfa_satisfied"),
    (USER_RECOVERY, {"user_risk": HIGH}, "blocked"),
    (USER_BLOCK, {"user_risk": HIGH, **PROVED}, "blocked"),
    (registration(), {"registered": True}, "allowed"),
    (registration(), {}, "registration_required"),
    (registration(14), {"registration_skipped": True}, "allowed"),
]


@pytest.mark.parametrize(("policy", "facts", "expected"), WORDS)
def test_a_policy_that_is_on_says_what_it_demands(
    policy: Policy, facts: dict[str, Any], expected: str
) -> None:
    """F050."""
    assert word(policy, **facts) == expected


@pytest.mark.parametrize(("policy", "facts", "expected"), WORDS)
def test_a_policy_in_report_only_says_what_it_would_demand_and_demands_nothing(
    policy: Policy, facts: dict[str, Any], expected: str
) -> None:
    """F049, F050: ``would_`` before each word but *not applied*; the person sees nothing of it."""
    decision = decide(replace(policy, state=REPORT_ONLY), **facts)
    would = expected if expected == "not_applied" else f"would_{expected}"
    assert decision.results[0].word == would
    assert decision.results[0].to_dict()["outcome"] == would
    assert decision.allowed
    assert (decision.reason, decision.about_user, decision.mfa_for_sign_in_risk) == (None, False, False)


@pytest.mark.parametrize(("policy", "facts", "expected"), WORDS)
def test_a_policy_that_is_off_is_not_looked_at(policy: Policy, facts: dict[str, Any], expected: str) -> None:
    """F049."""
    assert decide(replace(policy, state=OFF), **facts) == Decision(())


def test_a_result_is_written_with_its_reasons() -> None:
    """F053: what a receipt keeps of each policy."""
    blocked, elsewhere = decide(
        SIGN_IN_MFA, policy("bank", Control.BLOCK, clients=Selection(frozenset({"bank"}))), sign_in_risk=HIGH
    ).results
    assert blocked.to_dict() == {"policy": "sign-in-mfa", "outcome": "blocked", "reason": "mfa_unavailable"}
    assert elsewhere.to_dict() == {"policy": "bank", "outcome": "not_applied", "unmet": ["clients"]}


def test_a_decision_has_one_word_for_the_whole() -> None:
    assert decide().outcome == "allowed"
    assert decide(BLOCK_ALL).outcome == "blocked"
    assert decide(SIGN_IN_MFA, sign_in_risk=HIGH, registered=True).outcome == "notice_required"
    assert decide(MFA_ALWAYS, registered=True).outcome == "mfa_required"
    assert decide(MFA_ALWAYS).outcome == "registration_required"
    assert (
        decide(USER_RECOVERY, user_risk=HIGH, **PROVED, noticed_at=NOW).outcome == "password_change_required"
    )


def test_each_policy_is_answered_in_the_order_of_the_file() -> None:
    """F053."""
    results = decide(BLOCK_ALL, replace(MFA_ALWAYS, state=REPORT_ONLY), USER_BLOCK).results
    assert [result.policy for result in results] == ["block-all", "mfa-always", "user-block"]
    assert [result.enforced for result in results] == [True, False, True]


# In an emergency


def test_in_an_emergency_every_policy_is_report_only() -> None:
    """Product 3: the one switch; what is off stays off."""
    policies = in_force(BLOCK_ALL, MFA_ALWAYS, replace(USER_BLOCK, state=OFF), emergency=True)
    decision = evaluate(policies, asking(registered=True))
    assert decision.allowed
    assert [result.word for result in decision.results] == ["would_blocked", "would_mfa_required"]


@pytest.mark.parametrize("sign_in_risk", [LOW, MEDIUM, HIGH])
def test_an_emergency_reports_what_the_policies_would_say_without_it(sign_in_risk: Any) -> None:
    """D03: the same words with ``would_``, also where one policy depends on its company."""
    company = (registration(), REGISTER_THERE, MFA_ALWAYS, SIGN_IN_BLOCK)
    request = asking(sign_in_risk=sign_in_risk)
    normal = evaluate(in_force(*company), request).results
    emergency = evaluate(in_force(*company, emergency=True), request).results
    assert [result.outcome for result in emergency] == [result.outcome for result in normal]
    assert [result.reason for result in emergency] == [result.reason for result in normal]


def test_an_emergency_suspends_policies_and_nothing_else() -> None:
    """A disabled account stays disabled, a temporary password has to be changed, consent is asked for."""
    nothing = in_force(emergency=True)
    assert evaluate(nothing, asking(enabled=False)).first is Step.BLOCK
    assert evaluate(nothing, asking(temporary_password=True)).first is Step.PASSWORD_CHANGE
    assert evaluate(nothing, asking(consented=False)).first is Step.CONSENT


# Several policies


def test_a_block_outweighs_everything() -> None:
    """F048: MFA and block is a block; nothing else is asked for."""
    for order in permutations((MFA_ALWAYS, SIGN_IN_BLOCK, USER_RECOVERY, registration())):
        decision = decide(*order, sign_in_risk=HIGH, user_risk=HIGH, registered=True, consented=False)
        assert (decision.steps, decision.reason) == ((Step.BLOCK,), Reason.POLICY)
        assert decision.skip_days_left is None


def test_a_block_cannot_be_lifted_by_anything_proved() -> None:
    """F042, C064."""
    done = {**PROVED, "recovered_at": NOW, "noticed_at": NOW}
    assert steps(USER_BLOCK, user_risk=HIGH, **done) == (Step.BLOCK,)
    assert steps(SIGN_IN_BLOCK, sign_in_risk=HIGH, **done) == (Step.BLOCK,)


def test_what_is_missing_is_asked_for_in_a_fixed_order() -> None:
    """F048: notice, MFA, password change, then the question about a stopped sign-in, consent."""
    for order in permutations((USER_RECOVERY, SIGN_IN_MFA, MFA_ALWAYS)):
        decision = decide(
            *order,
            user_risk=HIGH,
            sign_in_risk=HIGH,
            registered=True,
            stopped_sign_in=True,
            consented=False,
        )
        assert decision.steps == (
            Step.NOTICE,
            Step.MFA,
            Step.PASSWORD_CHANGE,
            Step.REVIEW,
            Step.CONSENT,
        )
        assert decision.first is Step.NOTICE


def test_registration_comes_before_password_change_and_consent() -> None:
    """F048."""
    found = steps(registration(), temporary_password=True, consented=False)
    assert found == (Step.MFA_REGISTRATION, Step.PASSWORD_CHANGE, Step.CONSENT)


def test_the_order_of_policies_does_not_change_what_is_asked() -> None:
    company = (registration(14), REGISTER_THERE, USER_RECOVERY, MFA_ALWAYS)
    for facts in ({"sign_in_risk": HIGH}, {"user_risk": HIGH}, {}, {"registered": True, "user_risk": HIGH}):
        assert len({decide(*order, **facts).steps for order in permutations(company)}) == 1


def test_one_proof_satisfies_every_policy_that_asks_for_it() -> None:
    """All policies must be satisfied, but nobody is asked twice."""
    both = (MFA_ALWAYS, SIGN_IN_MFA)
    assert steps(*both, sign_in_risk=HIGH, registered=True) == (Step.NOTICE, Step.MFA)
    decision = decide(*both, sign_in_risk=HIGH, **PROVED)
    assert decision.allowed
    assert [result.word for result in decision.results] == ["mfa_satisfied", "mfa_satisfied"]


def test_a_policy_that_does_not_apply_asks_for_nothing() -> None:
    """F038, F039."""
    assert decide(USER_BLOCK, USER_RECOVERY, user_risk=LOW).allowed
    assert decide(SIGN_IN_BLOCK, SIGN_IN_MFA, sign_in_risk=LOW).allowed


def test_a_break_glass_account_is_exempt_by_exclusion() -> None:
    """F064, F040: excluded from every policy, also from a block of all, and the reason is on record."""
    glass = Selection(frozenset(), frozenset({"user:glass"}))
    company = tuple(
        replace(policy, who=glass)
        for policy in (BLOCK_ALL, USER_BLOCK, SIGN_IN_BLOCK, MFA_ALWAYS, registration())
    )
    decision = decide(*company, username="glass", user_risk=HIGH, sign_in_risk=HIGH)
    assert decision.allowed
    assert [result.unmet for result in decision.results] == [("who",)] * 5
    assert steps(*company) == (Step.BLOCK,)


# A second factor


def test_a_factor_proved_in_this_sign_in_is_enough_without_risk() -> None:
    assert decide(MFA_ALWAYS, **PROVED).allowed


@pytest.mark.parametrize("proved", [RISK_AT - DAY, RISK_AT - MOMENT])
def test_a_factor_proved_before_the_risk_arose_clears_nothing(proved: Any) -> None:
    """F043: the attacker may have been there in between."""
    facts = {"user_risk": HIGH, "registered": True, "mfa_at": proved, "noticed_at": NOW}
    assert steps(USER_RECOVERY, **facts) == (Step.MFA, Step.PASSWORD_CHANGE)
    only_mfa = policy("user-mfa", Control.MFA, user_risk={HIGH})
    assert steps(only_mfa, **facts) == (Step.MFA,)


@pytest.mark.parametrize("proved", [RISK_AT, RISK_AT + MOMENT, NOW])
def test_a_factor_proved_after_the_risk_arose_counts(proved: Any) -> None:
    """F043."""
    facts = {"user_risk": HIGH, "registered": True, "mfa_at": proved, "noticed_at": NOW}
    assert decide(policy("user-mfa", Control.MFA, user_risk={HIGH}), **facts).allowed


def test_a_risk_that_rises_half_way_asks_again() -> None:
    """F074: proved, then a new detection, then asked anew, with a notice."""
    facts = {"user_risk": HIGH, "registered": True, "mfa_at": NOW - MINUTE, "noticed_at": NOW - MINUTE}
    assert steps(USER_RECOVERY, **facts) == (Step.PASSWORD_CHANGE,)
    risen = steps(USER_RECOVERY, **facts, user_risk_at=NOW)
    assert risen == (Step.NOTICE, Step.MFA, Step.PASSWORD_CHANGE)


def test_a_risk_of_unknown_age_is_newer_than_every_factor() -> None:
    """I3: a missing fact never means *done*."""
    facts = {"user_risk": HIGH, "user_risk_at": None, **PROVED, "recovered_at": NOW}
    assert Step.MFA in steps(USER_RECOVERY, **facts)
    assert Step.PASSWORD_CHANGE in steps(USER_RECOVERY, **facts)


@pytest.mark.parametrize("asking_policy", [MFA_ALWAYS, SIGN_IN_MFA, USER_RECOVERY])
def test_a_factor_that_was_taken_away_does_not_count_any_more(asking_policy: Policy) -> None:
    """Proved in this sign-in, then removed by an administrator: nothing is left that was proved."""
    facts = {"sign_in_risk": HIGH, "user_risk": HIGH, "mfa_at": NOW, "registered": False}
    assert not decide(asking_policy, **facts).allowed


def test_mfa_for_a_risky_sign_in_remediates_it_and_for_another_reason_does_not() -> None:
    """F033: the decision says on whose behalf MFA is asked for."""
    assert decide(SIGN_IN_MFA, sign_in_risk=HIGH, registered=True).mfa_for_sign_in_risk
    assert decide(SIGN_IN_MFA, MFA_ALWAYS, sign_in_risk=HIGH, registered=True).mfa_for_sign_in_risk
    assert not decide(SIGN_IN_MFA, MFA_ALWAYS, sign_in_risk=LOW, registered=True).mfa_for_sign_in_risk
    assert not decide(USER_RECOVERY, sign_in_risk=HIGH, user_risk=HIGH, registered=True).mfa_for_sign_in_risk
    reporting = replace(SIGN_IN_MFA, state=REPORT_ONLY)
    assert not decide(reporting, MFA_ALWAYS, sign_in_risk=HIGH, registered=True).mfa_for_sign_in_risk


def test_a_step_up_asks_whoever_has_a_factor_and_no_policy_has_to() -> None:
    assert steps(step_up=True, registered=True) == (Step.MFA,)
    assert decide(step_up=True, registered=True).reason is Reason.STEP_UP
    assert decide(step_up=True, **PROVED).allowed
    assert decide(step_up=True).allowed


def test_the_console_asks_everybody_for_a_second_factor_whatever_the_policies_say() -> None:
    """Section 10, administrators: a second factor always. An emergency that turns policies off does not turn this off."""
    assert steps(console=True, registered=True) == (Step.MFA,)
    assert steps(console=True) == (Step.MFA_REGISTRATION,)
    assert decide(console=True).skip_days_left is None
    assert decide(console=True, **PROVED).allowed
    emergency = in_force(BLOCK_ALL, emergency=True)
    assert evaluate(emergency, asking(console=True, registered=True)).steps == (Step.MFA,)
    break_glass = in_force(break_glass=frozenset({"ada"}))
    assert evaluate(break_glass, asking(console=True, registered=True)).steps == (Step.MFA,)
    assert steps(registration(14), console=True, registration_skipped=True) == (Step.MFA_REGISTRATION,)


@pytest.mark.parametrize("risk", [{"sign_in_risk": MEDIUM}, {"user_risk": MEDIUM}])
def test_nobody_registers_for_the_console_while_at_risk(risk: dict[str, Any]) -> None:
    """I7: whoever sits there with the password alone may be the attacker."""
    decision = decide(console=True, **risk)
    assert decision.steps == (Step.BLOCK,)
    assert decision.reason is Reason.MFA_UNAVAILABLE


# Password change


@pytest.mark.parametrize(
    ("recovered", "asked"),
    [(None, True), (RISK_AT - DAY, True), (RISK_AT - MOMENT, True), (RISK_AT, False), (NOW, False)],
)
def test_only_a_recovery_newer_than_the_risk_satisfies_a_password_change(recovered: Any, asked: bool) -> None:
    """F044, C066: and a detection that outlives the change does not ask for it for ever."""
    facts = {"user_risk": HIGH, **PROVED, "noticed_at": NOW, "recovered_at": recovered}
    assert steps(USER_RECOVERY, **facts) == ((Step.PASSWORD_CHANGE,) if asked else ())


def test_a_recovery_does_not_replace_mfa_in_another_sign_in() -> None:
    """F044: the password was changed there; here nobody has proved anything yet."""
    facts = {"user_risk": HIGH, "registered": True, "recovered_at": NOW}
    assert steps(USER_RECOVERY, **facts) == (Step.NOTICE, Step.MFA)


def test_a_compromised_user_is_asked_for_mfa_before_the_new_password() -> None:
    """F070."""
    found = steps(USER_RECOVERY, user_risk=HIGH, registered=True)
    assert found == (Step.NOTICE, Step.MFA, Step.PASSWORD_CHANGE)


# Temporary password


def test_a_temporary_password_has_to_be_changed() -> None:
    """F096: without a factor at once, with one after MFA."""
    decision = decide(temporary_password=True)
    assert (decision.steps, decision.reason) == ((Step.PASSWORD_CHANGE,), Reason.TEMPORARY_PASSWORD)
    assert steps(temporary_password=True, registered=True) == (Step.MFA, Step.PASSWORD_CHANGE)
    assert steps(temporary_password=True, **PROVED) == (Step.PASSWORD_CHANGE,)


def test_a_former_recovery_does_not_satisfy_a_temporary_password() -> None:
    """F096: it is the administrator's password that has to go."""
    assert steps(temporary_password=True, recovered_at=NOW) == (Step.PASSWORD_CHANGE,)
    facts = {"user_risk": HIGH, **PROVED, "recovered_at": NOW, "temporary_password": True}
    assert steps(USER_RECOVERY, **facts) == (Step.PASSWORD_CHANGE,)


def test_the_new_password_is_asked_for_once() -> None:
    """F096: by the policy and by the temporary password, on one page."""
    facts = {"user_risk": HIGH, **PROVED, "noticed_at": NOW, "temporary_password": True}
    assert steps(USER_RECOVERY, **facts) == (Step.PASSWORD_CHANGE,)


def test_a_temporary_password_does_not_get_past_a_block() -> None:
    assert steps(SIGN_IN_BLOCK, sign_in_risk=HIGH, temporary_password=True) == (Step.BLOCK,)


# Consent, the question about a stopped sign-in, the account


def test_consent_is_the_last_thing_asked_for() -> None:
    """C017."""
    decision = decide(consented=False)
    assert (decision.steps, decision.reason) == ((Step.CONSENT,), Reason.CONSENT_MISSING)
    assert decision.outcome == "consent_required"
    assert steps(MFA_ALWAYS, registered=True, consented=False) == (Step.MFA, Step.CONSENT)


def test_a_stopped_sign_in_is_asked_about_when_nothing_else_is_missing_but_consent() -> None:
    """F075: and the log does not call that a missing consent."""
    decision = decide(stopped_sign_in=True)
    assert (decision.steps, decision.outcome) == ((Step.REVIEW,), "review_required")
    assert decision.reason is Reason.STOPPED_SIGN_IN
    assert decide(stopped_sign_in=True, consented=False).steps == (Step.REVIEW, Step.CONSENT)


@pytest.mark.parametrize("policies", [(), (MFA_ALWAYS,), (BLOCK_ALL,), (USER_RECOVERY,)])
def test_a_disabled_account_is_blocked_whatever_the_policies_say(policies: tuple[Policy, ...]) -> None:
    """F098, F022: its own reason, about the account; the policies are still answered."""
    done = {**PROVED, "recovered_at": NOW}
    decision = decide(*policies, enabled=False, **done)
    assert (decision.steps, decision.reason) == ((Step.BLOCK,), Reason.ACCOUNT_DISABLED)
    assert decision.about_user
    assert len(decision.results) == len(policies)


def test_whoever_is_let_in_needs_no_reason() -> None:
    assert decide(MFA_ALWAYS, **PROVED).reason is None
    assert decide().reason is None


# The notice


@pytest.mark.parametrize(
    ("policies", "facts", "about_user"),
    [
        ((SIGN_IN_MFA,), {"sign_in_risk": MEDIUM}, False),
        ((USER_RECOVERY,), {"user_risk": MEDIUM}, True),
        ((USER_RECOVERY, SIGN_IN_MFA), {"user_risk": MEDIUM, "sign_in_risk": MEDIUM}, True),
        ((USER_RECOVERY, SIGN_IN_MFA), {"sign_in_risk": MEDIUM}, False),
    ],
)
def test_risk_is_told_before_anything_is_asked_for(
    policies: tuple[Policy, ...], facts: dict[str, Any], about_user: bool
) -> None:
    """F066, F070: about the account when the identity is at risk, about the sign-in otherwise."""
    decision = decide(*policies, registered=True, **facts)
    assert decision.first is Step.NOTICE
    assert decision.about_user is about_user


def test_a_registration_asked_for_by_risk_is_preceded_by_the_notice() -> None:
    """C035."""
    assert steps(REGISTER_THERE, sign_in_risk=MEDIUM) == (Step.NOTICE, Step.MFA_REGISTRATION)


@pytest.mark.parametrize("policies", [(MFA_ALWAYS,), (registration(),), (registration(14),)])
def test_what_is_asked_for_without_risk_comes_without_the_notice(policies: tuple[Policy, ...]) -> None:
    for registered in (True, False):
        assert Step.NOTICE not in steps(*policies, registered=registered, sign_in_risk=LOW)


def test_a_sign_in_without_risk_is_never_called_unusual() -> None:
    """F066: a policy may name the level none, and ask for MFA at every sign-in; the notice would be untrue."""
    every = policy("every", Control.MFA, sign_in_risk={*type(HIGH)})
    assert steps(every, registered=True) == (Step.MFA,)
    assert steps(every, registered=True, sign_in_risk=LOW) == (Step.NOTICE, Step.MFA)


def test_a_user_without_risk_is_never_called_at_risk() -> None:
    """F066: the same for a policy that names every level of user risk; any factor of this sign-in satisfies it."""
    every = policy("every", Control.MFA, user_risk={*type(HIGH)})
    decision = decide(every, SIGN_IN_MFA, sign_in_risk=HIGH, registered=True)
    assert (decision.first, decision.about_user) == (Step.NOTICE, False)
    assert steps(every, registered=True, user_risk_at=NOW) == (Step.MFA,)
    assert decide(every, **PROVED).allowed
    assert decide(every, registered=True, mfa_at=RISK_AT - DAY, user_risk_at=NOW).allowed


@pytest.mark.parametrize(
    ("noticed", "due"),
    [(None, True), (SIGNED_IN_AT - MOMENT, True), (SIGNED_IN_AT, False), (NOW, False)],
)
def test_the_notice_about_a_sign_in_is_read_once(noticed: Any, due: bool) -> None:
    """F066."""
    facts = {"sign_in_risk": HIGH, "registered": True, "noticed_at": noticed}
    assert (Step.NOTICE in steps(SIGN_IN_MFA, **facts)) is due


@pytest.mark.parametrize(
    ("noticed", "due"), [(None, True), (RISK_AT - MOMENT, True), (RISK_AT, False), (NOW, False)]
)
def test_the_notice_about_a_user_is_read_again_when_new_risk_arose(noticed: Any, due: bool) -> None:
    """F070, F074."""
    facts = {"user_risk": HIGH, "registered": True, "noticed_at": noticed}
    assert (Step.NOTICE in steps(USER_RECOVERY, **facts)) is due


def test_whoever_did_what_was_asked_gets_no_notice() -> None:
    done = {**PROVED, "recovered_at": NOW}
    assert decide(SIGN_IN_MFA, USER_RECOVERY, sign_in_risk=HIGH, user_risk=HIGH, **done).allowed


# Which block, and why


@pytest.mark.parametrize(
    ("policies", "facts", "about_user", "reason"),
    [
        ((SIGN_IN_BLOCK,), {"sign_in_risk": HIGH}, False, Reason.POLICY),
        ((USER_BLOCK,), {"user_risk": HIGH}, True, Reason.POLICY),
        ((USER_BLOCK, SIGN_IN_BLOCK), {"user_risk": HIGH, "sign_in_risk": HIGH}, True, Reason.POLICY),
        (
            (SIGN_IN_BLOCK,),
            {"user_risk": HIGH, "sign_in_risk": HIGH, "registered": True},
            False,
            Reason.POLICY,
        ),
        (
            (USER_RECOVERY, SIGN_IN_BLOCK),
            {"user_risk": HIGH, "sign_in_risk": HIGH, "registered": True},
            False,
            Reason.POLICY,
        ),
        ((BLOCK_ALL,), {"user_risk": HIGH}, False, Reason.POLICY),
        ((SIGN_IN_MFA,), {"sign_in_risk": HIGH}, False, Reason.MFA_UNAVAILABLE),
        ((USER_RECOVERY,), {"user_risk": HIGH}, True, Reason.MFA_UNAVAILABLE),
        ((registration(),), {"sign_in_risk": HIGH}, False, Reason.REGISTRATION_REFUSED),
        ((registration(),), {"user_risk": HIGH}, True, Reason.REGISTRATION_REFUSED),
        ((registration(), SIGN_IN_BLOCK), {"sign_in_risk": HIGH}, False, Reason.POLICY),
        ((MFA_ALWAYS,), {"user_risk": HIGH}, True, Reason.MFA_UNAVAILABLE),
    ],
)
def test_a_block_says_whether_it_is_the_sign_in_or_the_account(
    policies: tuple[Policy, ...], facts: dict[str, Any], about_user: bool, reason: Reason
) -> None:
    """F068, F069, F071, F072: *try a familiar place* only where that helps, and a reason code of its own
    for whoever has no method."""
    decision = decide(*policies, **facts)
    assert (decision.steps, decision.about_user, decision.reason) == ((Step.BLOCK,), about_user, reason)


# Registration


def left(skip_days: int, passed: timedelta, **facts: Any) -> int | None:
    """Return the days left, so long after the first prompt."""
    return decide(registration(skip_days), registration_prompted_at=NOW - passed, **facts).skip_days_left


def test_the_days_are_counted_from_the_first_prompt() -> None:
    """F081: 14 on the first day, 1 on the last, none from then on."""
    assert decide(registration(14)).skip_days_left == 14
    assert [left(14, DAY * day) for day in range(15)] == [*range(14, 0, -1), None]
    assert left(14, DAY * 365) is None


def test_the_last_day_lasts_until_its_end() -> None:
    """F081: day N-1 can still be skipped, day N cannot."""
    assert left(14, DAY * 13) == 1
    assert left(14, DAY * 14 - MOMENT) == 1
    assert left(14, DAY * 14) is None


def test_a_clock_that_is_put_back_gives_no_more_days_than_the_policy_does() -> None:
    """F081: at most 30 days, whatever the clock does."""
    assert left(14, -DAY) == 14
    assert left(30, -DAY * 90) == 30


def test_the_longest_and_the_shortest_grace() -> None:
    """F081: 30 days, or none at all."""
    assert (left(30, DAY * 29), left(30, DAY * 30)) == (1, None)
    assert left(0, timedelta()) is None
    assert decide(registration()).skip_days_left is None


def test_skipping_lets_this_sign_in_through_while_days_are_left() -> None:
    """F081: and never revives them."""
    request = {"registration_skipped": True}
    within = {"registration_prompted_at": NOW - DAY * 13}
    over = {"registration_prompted_at": NOW - DAY * 14}
    assert decide(registration(14), **request, **within).allowed
    assert steps(registration(14), **request, **over) == (Step.MFA_REGISTRATION,)
    assert steps(registration(14), **within) == (Step.MFA_REGISTRATION,)


def test_an_administrator_can_never_put_it_off() -> None:
    """F081, F102."""
    facts = {"roles": {"administrator"}, "registration_skipped": True}
    decision = decide(registration(14), **facts)
    assert (decision.steps, decision.skip_days_left) == ((Step.MFA_REGISTRATION,), None)
    assert decide(registration(14), roles={"reader"}).skip_days_left == 14


@pytest.mark.parametrize("facts", [{"sign_in_risk": MEDIUM}, {"sign_in_risk": HIGH}, {"user_risk": MEDIUM}])
def test_nobody_puts_it_off_at_risk(facts: dict[str, Any]) -> None:
    """F081: the server refuses, whatever the page showed."""
    request = asking(registration_skipped=True, **facts)
    assert skip_days_left(registration(14), request) == 0
    assert not evaluate(in_force(registration(14)), request).allowed
    with_setting = decide(registration(14), REGISTER_THERE, registration_skipped=True, **facts)
    assert not with_setting.allowed
    assert with_setting.skip_days_left is None


@pytest.mark.parametrize("asking_policy", [MFA_ALWAYS, REGISTER_THERE])
def test_there_is_no_skip_when_mfa_is_needed_now(asking_policy: Policy) -> None:
    """F082: also not by a skip from before."""
    for skipped in (True, False):
        facts = {"sign_in_risk": MEDIUM} if asking_policy is REGISTER_THERE else {}
        decision = decide(registration(14), asking_policy, registration_skipped=skipped, **facts)
        assert Step.MFA_REGISTRATION in decision.steps
        assert decision.skip_days_left is None


def test_of_two_policies_the_stricter_counts() -> None:
    short, never = registration(3, "short"), registration(0, "never")
    assert decide(registration(14), short).skip_days_left == 3
    assert decide(registration(14), never).skip_days_left is None
    assert steps(registration(14), never, registration_skipped=True) == (Step.MFA_REGISTRATION,)


def test_a_policy_in_report_only_does_not_shorten_the_grace() -> None:
    """F049."""
    reporting = replace(registration(0, "never"), state=REPORT_ONLY)
    assert decide(registration(14), reporting).skip_days_left == 14
    assert decide(registration(14), replace(MFA_ALWAYS, state=REPORT_ONLY)).skip_days_left == 14


def test_whoever_is_registered_is_not_asked() -> None:
    """F080."""
    assert decide(registration(14), registered=True).allowed
    assert decide(registration(), registered=True, sign_in_risk=HIGH, user_risk=HIGH).allowed


def test_registration_at_risk_is_refused_by_default() -> None:
    """F071, C035: it may be the attacker who registers."""
    assert steps(SIGN_IN_MFA, sign_in_risk=HIGH) == (Step.BLOCK,)
    assert steps(registration(14), sign_in_risk=HIGH) == (Step.BLOCK,)
    assert steps(registration(14), SIGN_IN_MFA, sign_in_risk=HIGH) == (Step.BLOCK,)
    assert steps(MFA_ALWAYS, sign_in_risk=MEDIUM) == (Step.BLOCK,)


def test_a_setting_of_the_sign_in_risk_policy_allows_it_there_and_then() -> None:
    """C035: and then the policies that need it follow."""
    for company in permutations((REGISTER_THERE, registration(14), MFA_ALWAYS)):
        assert steps(*company, sign_in_risk=HIGH) == (Step.NOTICE, Step.MFA_REGISTRATION)


def test_every_sign_in_risk_policy_that_asks_has_to_allow_it() -> None:
    """C035: all policies must be satisfied, so one *block* is a block."""
    assert steps(REGISTER_THERE, SIGN_IN_MFA, sign_in_risk=HIGH) == (Step.BLOCK,)
    elsewhere = replace(SIGN_IN_MFA, clients=Selection(frozenset({"bank"})))
    assert Step.BLOCK not in steps(REGISTER_THERE, elsewhere, sign_in_risk=HIGH)


@pytest.mark.parametrize("state", [REPORT_ONLY, OFF])
def test_only_an_enforced_policy_can_allow_it(state: PolicyState) -> None:
    """F049: a policy on trial opens no door."""
    trial = replace(REGISTER_THERE, state=state)
    assert steps(registration(), trial, sign_in_risk=HIGH) == (Step.BLOCK,)


def test_a_compromised_user_never_registers_on_the_password_alone() -> None:
    """F072, I7: whatever the setting of the sign-in-risk policy is."""
    for company in permutations((REGISTER_THERE, registration(14), MFA_ALWAYS)):
        for user_risk in (MEDIUM, HIGH):
            decision = decide(*company, sign_in_risk=HIGH, user_risk=user_risk)
            assert decision.steps == (Step.BLOCK,)
            assert decision.about_user


def test_a_low_risk_stops_nobody_from_registering() -> None:
    """D09: one weak signal never blocks, neither about the sign-in nor about the user."""
    assert steps(registration(14), sign_in_risk=LOW, user_risk=LOW) == (Step.MFA_REGISTRATION,)
    assert decide(registration(14), sign_in_risk=LOW, user_risk=LOW).skip_days_left == 14
    wide = replace(SIGN_IN_MFA, sign_in_risk=frozenset({LOW, MEDIUM, HIGH}))
    assert steps(wide, sign_in_risk=LOW) == (Step.NOTICE, Step.MFA_REGISTRATION)


# What is judged


def test_the_same_facts_get_the_same_answer() -> None:
    """D02."""
    company = in_force(REGISTER_THERE, USER_RECOVERY, registration(14), replace(BLOCK_ALL, state=REPORT_ONLY))
    request = asking(sign_in_risk=HIGH, user_risk=MEDIUM)
    assert evaluate(company, request) == evaluate(company, request)


def test_risk_begins_at_medium() -> None:
    """D09: what the words *risky* and *compromised* mean where no policy says it."""
    for level, meant in zip(type(HIGH), (False, False, True, True), strict=True):
        assert AccessRequest(NOW, "u1", "ada", "notes", sign_in_risk=level).is_risky is meant
        assert AccessRequest(NOW, "u1", "ada", "notes", user_risk=level).is_compromised is meant


def test_time_passing_alone_changes_nothing_about_what_was_proved() -> None:
    later = {"at": NOW + HOUR * 5}
    facts = {"user_risk": HIGH, **PROVED, "recovered_at": NOW}
    assert decide(USER_RECOVERY, MFA_ALWAYS, **facts, **later).allowed


# A factor that cannot be phished

STRONG = policy("bank", Control.MFA, strength=Strength.PHISHING_RESISTANT)


def test_a_code_is_not_good_enough_where_phishing_has_to_be_resisted() -> None:
    """F046, C065: whoever has a better factor is asked for it, whoever has none is stopped, and told why."""
    proved = {**PROVED, "amr": frozenset({"pwd", "otp", "mfa"})}
    able = {**proved, "strengths": frozenset({"phishing_resistant"})}
    assert word(STRONG, **able) == "mfa_required"
    assert decide(STRONG, **able).results[0].reason is Reason.STRENGTH
    assert word(STRONG, **proved) == "blocked"
    assert decide(STRONG, **proved).reason is Reason.STRENGTH_UNAVAILABLE
    assert word(STRONG, **{**able, "amr": frozenset({"pwd", "hwk", "mfa"})}) == "mfa_satisfied"
    assert word(policy("any", Control.MFA), **proved) == "mfa_satisfied"


# How long ago the person proved who they are


@pytest.mark.parametrize(("minutes", "said"), [(0, "allowed"), (60, "allowed"), (61, "sign_in_required")])
def test_a_sign_in_that_is_too_old_is_made_again(minutes: int, said: str) -> None:
    """F060, C069: over the limit asks again, within it does not; nothing else is asked of the old sign-in."""
    hourly = policy("hourly", sign_in_frequency=HOUR)
    asked = decide(hourly, MFA_ALWAYS, authenticated_at=NOW - minutes * MINUTE, registered=True)
    assert asked.results[0].word == said
    assert asked.steps == ((Step.SIGN_IN,) if said == "sign_in_required" else (Step.MFA,))


# The way in when a policy was a mistake


def test_no_policy_applies_to_a_break_glass_account() -> None:
    """F064: not even a block of everybody; a disabled account stays disabled."""
    everybody = policy("all", Control.BLOCK)
    force = in_force(everybody, break_glass=frozenset({"root"}))
    assert evaluate(force, asking(username="ada")).first is Step.BLOCK
    decision = evaluate(force, asking(username="root"))
    assert decision.allowed
    assert decision.results[0].unmet == ("break_glass",)
    assert not evaluate(force, asking(username="root", enabled=False)).allowed


# Adding a second factor

AWAY = policy("away", Control.BLOCK, locations=Selection(exclude=frozenset({"office"})), registering=True)


def test_registering_can_be_stopped_where_everything_else_is_let_in() -> None:
    """F058: on the account page, and where a policy would send the person to register."""
    must = registration()
    assert steps(AWAY, must, registered=True) == ()
    assert steps(AWAY, must, registered=True, registering=True) == (Step.BLOCK,)
    assert steps(AWAY, must) == (Step.BLOCK,)
    assert steps(AWAY, must, locations={"office"}) == (Step.MFA_REGISTRATION,)
    assert steps(AWAY, registration(14), registration_skipped=True) == ()


def test_a_trial_of_registering_is_recorded_where_somebody_is_sent_to_register() -> None:
    """F050, F058: nobody notices, and the report knows."""
    trial = replace(AWAY, state=REPORT_ONLY)
    decision = decide(trial, registration())
    assert decision.steps == (Step.MFA_REGISTRATION,)
    assert decision.results[0].word == "would_blocked"


# The help desk's pass

A_PASS: dict[str, Any] = {"vouched_for": True, "sign_in_risk": HIGH}


def test_a_pass_turns_a_block_for_the_sign_in_into_a_second_factor() -> None:
    """D27: asked of whoever has one, set up by whoever has none; and then it is satisfied like any other."""
    assert word(SIGN_IN_BLOCK, sign_in_risk=HIGH, registered=True) == "blocked"
    assert word(SIGN_IN_BLOCK, **A_PASS, registered=True) == "mfa_required"
    assert word(SIGN_IN_BLOCK, **A_PASS, **PROVED) == "mfa_satisfied"
    for one in (SIGN_IN_BLOCK, SIGN_IN_MFA, registration()):
        assert word(one, sign_in_risk=HIGH) == "blocked"
        assert word(one, **A_PASS) == "registration_required"
    assert decide(SIGN_IN_BLOCK, **A_PASS, registered=True).mfa_for_sign_in_risk


def test_a_pass_says_nothing_about_a_session_that_turned_up_elsewhere_since() -> None:
    """D27: whoever was vouched for in the morning may have lost the cookie by the evening."""
    moved = {"session_risk": HIGH, "session_risk_at": RISK_AT, "registered": True}
    assert word(SIGN_IN_BLOCK, **A_PASS, **moved) == "blocked"
    assert decide(SIGN_IN_BLOCK, **A_PASS, **moved).steps == (Step.SIGN_IN,)


@pytest.mark.parametrize("one", [SIGN_IN_BLOCK, SIGN_IN_MFA, registration()])
def test_a_pass_opens_nothing_of_a_compromised_account(one: Policy) -> None:
    """D08, product.md 4: only an administrator helps, also where no policy is about the account's risk."""
    at_risk = {"user_risk": MEDIUM, "user_risk_at": RISK_AT}
    assert word(one, **A_PASS, **at_risk) == "blocked"
    assert word(SIGN_IN_BLOCK, **A_PASS, **at_risk, registered=True) == "blocked"


@pytest.mark.parametrize(
    "one", [BLOCK_ALL, USER_BLOCK, replace(SIGN_IN_BLOCK, user_risk=frozenset({LOW, HIGH}))]
)
def test_a_pass_opens_no_other_block(one: Policy) -> None:
    """D27: what another rule stopped stays stopped; so does an account that is switched off."""
    facts = A_PASS | {"user_risk": LOW if one is not USER_BLOCK else HIGH, "user_risk_at": RISK_AT, **PROVED}
    assert word(one, **facts) == "blocked"
    assert steps(SIGN_IN_BLOCK, **A_PASS, **PROVED, enabled=False) == (Step.BLOCK,)
