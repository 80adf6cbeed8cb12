"""C068: terms of use as what a policy demands: when they count as accepted, and what they never stand in for."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect.conditional_access import (
    AcceptedTerms,
    AccessRequest,
    Control,
    Decision,
    Outcome,
    Policy,
    PolicyState,
    Reason,
    Step,
    evaluate,
    example_facts,
)
from idprotect.errors import PolicyError
from idprotect.markup import blocks
from tests.conditional_access.examples import (
    AT_RISK,
    DAY,
    HIGH,
    LOW,
    MEDIUM,
    NOW,
    RISK_AT,
    SIGN_IN_MFA,
    asking,
    from_file,
    in_force,
    policy,
)

RULES = policy("rules", terms_of_use=frozenset({"rules"}))
BOTH = policy("both", terms_of_use=frozenset({"rules", "privacy"}))
MFA_AND_RULES = policy("strict", Control.MFA, terms_of_use=frozenset({"rules"}))
ACCEPTED = (AcceptedTerms("rules", at=NOW),)


def decide(*policies: Policy, **facts: Any) -> Decision:
    return evaluate(in_force(*policies), asking(**facts))


def test_whoever_did_not_accept_is_asked_and_nothing_else_is() -> None:
    """C068: alone, without a second factor: a person who has none gets this one page."""
    for registered in (True, False):
        decision = decide(RULES, registered=registered)
        assert (decision.steps, decision.terms_of_use) == ((Step.TERMS_OF_USE,), ("rules",))
        assert (decision.outcome, decision.reason) == ("terms_required", Reason.POLICY)
        assert decision.results[0].word == "terms_required"
    assert decide(RULES, accepted_terms=ACCEPTED).allowed
    assert decide(RULES, accepted_terms=ACCEPTED).results[0].outcome is Outcome.ALLOWED


@pytest.mark.parametrize(
    ("accepted", "is_good"),
    [
        (AcceptedTerms("rules", 1, NOW, 1), True),
        (AcceptedTerms("rules", 1, None, 1), True),
        (AcceptedTerms("rules", 1, NOW, 2), False),
        (AcceptedTerms("rules", 3, NOW, 2), True),
        (AcceptedTerms("rules", 1, NOW - 30 * DAY + timedelta(microseconds=1), 1, 30), True),
        (AcceptedTerms("rules", 1, NOW - 30 * DAY, 1, 30), False),
        (AcceptedTerms("rules", 1, None, 1, 30), False),
        (AcceptedTerms("rules", 1, NOW, 1, 10**30), True),
        (AcceptedTerms("rules", 1, NOW, 1, 0), False),
        (AcceptedTerms("Rules", 1, NOW, 1), False),
    ],
)
def test_an_acceptance_is_good_for_its_version_and_for_its_days(
    accepted: AcceptedTerms, is_good: bool
) -> None:
    """C068: a version that asks again, and days; when it was is needed where days count."""
    assert decide(RULES, accepted_terms=(accepted,)).allowed is is_good


def test_all_that_policies_ask_for_is_asked_for_once() -> None:
    """C068: two policies about the same terms; the names in one order, whatever the order of policies."""
    for policies in ((RULES, BOTH), (BOTH, RULES)):
        decision = decide(*policies)
        assert (decision.steps, decision.terms_of_use) == ((Step.TERMS_OF_USE,), ("privacy", "rules"))
    assert decide(RULES, BOTH, accepted_terms=ACCEPTED).terms_of_use == ("privacy",)


def test_on_trial_it_only_says_what_it_would_do() -> None:
    """C068, F049: report-only, and in an emergency."""
    on_trial = replace(RULES, state=PolicyState.REPORT_ONLY)
    decision = decide(on_trial)
    assert decision.allowed
    assert decision.results[0].word == "would_terms_required"
    assert evaluate(in_force(RULES, emergency=True), asking()).allowed
    assert evaluate(in_force(RULES, break_glass=frozenset({"ada"})), asking()).allowed


def test_what_proves_something_comes_first_and_consent_last() -> None:
    """C068: MFA, then terms, then consent; accepting first proves nothing."""
    decision = decide(MFA_AND_RULES, registered=True, consented=False)
    assert decision.steps == (Step.MFA, Step.TERMS_OF_USE, Step.CONSENT)
    assert decision.results[0].word == "mfa_required"
    accepted = decide(MFA_AND_RULES, registered=True, accepted_terms=ACCEPTED)
    assert accepted.steps == (Step.MFA,)
    proved = decide(MFA_AND_RULES, registered=True, mfa_at=NOW)
    assert (proved.steps, proved.outcome) == ((Step.TERMS_OF_USE,), "terms_required")
    done = decide(MFA_AND_RULES, registered=True, mfa_at=NOW, accepted_terms=ACCEPTED)
    assert done.allowed
    assert done.results[0].outcome is Outcome.MFA_SATISFIED


def test_terms_alone_are_no_reason_for_a_notice_and_no_mitigation() -> None:
    """C068: the lighter step says nothing about risk, and passing it closes none."""
    low = policy("low", sign_in_risk={LOW}, terms_of_use=frozenset({"rules"}))
    decision = decide(low, sign_in_risk=LOW)
    assert decision.steps == (Step.TERMS_OF_USE,)
    assert not decision.mfa_for_sign_in_risk
    about_user = policy("user", user_risk=AT_RISK, terms_of_use=frozenset({"rules"}))
    decision = decide(about_user, user_risk=HIGH)
    assert (decision.steps, decision.about_user) == ((Step.TERMS_OF_USE,), False)
    with_mfa = decide(about_user, SIGN_IN_MFA, user_risk=HIGH, sign_in_risk=HIGH, registered=True)
    assert with_mfa.steps == (Step.NOTICE, Step.MFA, Step.TERMS_OF_USE)
    assert not with_mfa.about_user


def test_terms_are_no_answer_to_a_session_that_turned_up_elsewhere() -> None:
    """C068: it signs in again, or proves a factor where a policy asks for one; agreed or not."""
    about_risk = policy("terms", sign_in_risk={LOW, MEDIUM, HIGH}, terms_of_use=frozenset({"rules"}))
    moved: dict[str, Any] = {"session_risk": HIGH, "session_risk_at": RISK_AT, "registered": True}
    for accepted in ((), ACCEPTED):
        alone = decide(about_risk, **moved, accepted_terms=accepted)
        assert (alone.first, alone.reason) == (Step.SIGN_IN, Reason.SESSION_RISK)
        beside = decide(about_risk, SIGN_IN_MFA, **moved, accepted_terms=accepted)
        assert Step.MFA in beside.steps
        assert Step.SIGN_IN not in beside.steps


def test_a_block_outweighs_it() -> None:
    """C068, F048."""
    stop = policy("stop", Control.BLOCK)
    assert decide(RULES, stop).steps == decide(RULES, stop, accepted_terms=ACCEPTED).steps == (Step.BLOCK,)
    assert decide(RULES, enabled=False).steps == (Step.BLOCK,)


def test_time_that_goes_by_ends_no_token_that_is_out() -> None:
    """C068: a new version does, because an administrator said so."""
    ran_out = asking(accepted_terms=(AcceptedTerms("rules", 1, NOW - 31 * DAY, 1, 30),))
    assert not evaluate(in_force(RULES), ran_out).allowed
    assert evaluate(in_force(RULES), ran_out.whatever_the_time()).allowed
    asked_again = asking(accepted_terms=(AcceptedTerms("rules", 1, NOW, 2),))
    assert not evaluate(in_force(RULES), asked_again.whatever_the_time()).allowed


def test_receipts_of_before_say_nothing_about_terms() -> None:
    """C068, D02: what is not among the facts was not accepted."""
    old = {"at": "2026-03-01T12:00:00+00:00", "user_id": "u1", "username": "ada", "client_id": "notes"}
    request = AccessRequest.from_dict(old)
    assert request.accepted_terms == ()
    assert evaluate(in_force(RULES), request).outcome == "terms_required"


def test_in_an_example_the_name_is_enough() -> None:
    """C068: policy tests say what was accepted by name, or all of it."""
    assert example_facts({"accepted_terms": ["rules"]}).has_accepted("rules")
    whole = {"name": "rules", "version": 1, "required": 2}
    assert not example_facts({"accepted_terms": [whole]}).has_accepted("rules")


@pytest.mark.parametrize(
    "wrong",
    [
        "rules",
        {"rules": 1},
        [1],
        [None],
        [{}],
        [{"name": 1}],
        [{"name": "a\nb"}],
        [{"name": "rules", "version": "1"}],
        [{"name": "rules", "at": "2026-01-01T00:00:00"}],
        [{"name": "rules", "at": 7}],
        [{"name": "rules", "else": 1}],
    ],
)
def test_what_is_no_acceptance_is_no_fact(wrong: Any) -> None:
    """C068: refused, never taken for accepted."""
    with pytest.raises(ValueError, match="not valid"):
        example_facts({"accepted_terms": wrong})


POLICY = '[[policy]]\nname = "x"\n'


def test_a_file_names_them_beside_what_else_is_required() -> None:
    """C068: alone or with MFA."""
    (found,) = from_file(POLICY + 'then = { require = ["mfa"], terms_of_use = ["a", "b"] }').policies
    assert (found.controls, found.terms_of_use) == ({Control.MFA}, {"a", "b"})
    (alone,) = from_file(POLICY + 'then = { terms_of_use = ["a"] }').policies
    assert alone.is_about_terms_alone
    assert from_file(POLICY + 'then = { terms_of_use = ["a"] }').terms_of_use == {"a"}


@pytest.mark.parametrize(
    ("rest", "problem"),
    [
        ("then = { terms_of_use = [] }", "must name at least one"),
        ('then = { terms_of_use = "a" }', "'terms_of_use' must be a list of strings"),
        ('then = { require = ["block"], terms_of_use = ["a"] }', "block cannot be combined"),
        ('then = { require = ["registration"], terms_of_use = ["a"] }', "registration cannot be combined"),
        ('when = { registering = true }\nthen = { terms_of_use = ["a"] }', "who is registering"),
        (
            'when = { user_risk = ["high"] }\n'
            'then = { require = ["mfa", "password_change"], terms_of_use = ["a"] }',
            "cannot be combined with terms of use",
        ),
    ],
)
def test_what_would_make_no_sense_is_refused(rest: str, problem: str) -> None:
    """C068: each rule by its name."""
    with pytest.raises(PolicyError, match=problem):
        from_file(POLICY + rest)


# The text


def test_a_text_has_headings_lists_and_paragraphs() -> None:
    """C068: the little markup; all else is text."""
    found = blocks(
        "# One\nfirst\n second \n\nthird\n## Two\n- a\n  goes on\n- <b>c</b>\n\n\n- d\n-e\n\n  f\n#no"
    )
    assert [(block.kind, block.texts) for block in found] == [
        ("heading", ["One"]),
        ("paragraph", ["first second"]),
        ("paragraph", ["third"]),
        ("subheading", ["Two"]),
        ("list", ["a goes on", "<b>c</b>"]),
        ("list", ["d"]),
        ("paragraph", ["-e"]),
        ("paragraph", ["f #no"]),
    ]


@given(st.text())
def test_no_word_of_a_text_is_lost(text: str) -> None:
    """C068: people accept what was written, so they are shown all of it; marks and spaces alone may go."""

    def plain(words: str) -> str:
        return "".join(char for char in words if char not in "#-" and not char.isspace())

    shown = "".join(line for block in blocks(text) for line in block.texts)
    assert plain(shown) == plain(text)
