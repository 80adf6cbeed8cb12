"""Every user risk × sign-in risk × registered × set of policies, against a table written by hand.

The table is read from product.md sections 3 and 4, not from the code. A cell says what a person who has just typed
the right password has to do, in the order in which it is asked for:

====== ================================================================================================
``.``  nothing: the code goes out
``m``  MFA, without risk                        ``nm``   notice, MFA
``nmp`` notice, MFA, password change
``r``  registration                             ``r14``  registration, can be put off for 14 days
``nr`` notice, registration there and then
``t``  terms of use, the last of what is asked for; after any of the above it stands behind that
``S``  the sign-in is blocked by a policy       ``A``    the account is blocked by a policy
``s``  the sign-in is blocked, no method        ``a``    the account is blocked, no method
====== ================================================================================================

Four lines a block, one for each user risk from none to high; four cells a line, one for each sign-in risk; on the left
for a user with a second factor, on the right for one without.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idprotect.conditional_access import (
    AcceptedTerms,
    AccessRequest,
    Control,
    Decision,
    Policy,
    PolicySet,
    PolicyState,
    Reason,
    Step,
    Unregistered,
    evaluate,
)
from idprotect.risk import RiskLevel
from tests.conditional_access.examples import MINUTE, NOW, asking, from_file
from tests.conditional_access.strategies import EXPRESSIONS, access_requests, policies, policy_sets

USER_BLOCK = 'name = "user-risk"\nwhen = { user_risk = ["medium", "high"] }\nthen = { require = ["block"] }'
USER_BLOCK_HIGH = USER_BLOCK.replace('"medium", ', "")
USER_RECOVERY = USER_BLOCK.replace('"block"', '"mfa", "password_change"')
SIGN_IN_BLOCK = (
    'name = "sign-in-risk"\nwhen = { sign_in_risk = ["medium", "high"] }\nthen = { require = ["block"] }'
)
SIGN_IN_MFA = SIGN_IN_BLOCK.replace('"block"', '"mfa"')
SIGN_IN_MFA_FROM_LOW = SIGN_IN_MFA.replace('"medium"', '"low", "medium"')
SIGN_IN_REGISTER = SIGN_IN_MFA.replace('["mfa"]', '["mfa"], unregistered = "register"')
SIGN_IN_REGISTER_HIGH = SIGN_IN_REGISTER.replace('"medium", ', "")
REGISTRATION = 'name = "registration"\nthen = { require = ["registration"] }'
REGISTRATION_14 = REGISTRATION.replace('["registration"]', '["registration"], skip_days = 14')
MFA_ALWAYS = 'name = "mfa"\nthen = { require = ["mfa"] }'
TERMS_ALWAYS = 'name = "rules"\nthen = { terms_of_use = ["rules"] }'
TERMS_AT_LOW = TERMS_ALWAYS.replace("then", 'when = { sign_in_risk = ["low"] }\nthen')
MFA_AND_TERMS = MFA_ALWAYS.replace('["mfa"]', '["mfa"], terms_of_use = ["rules"]')

# Policies → what is asked for.          with a second factor      without one
TABLE: dict[str, tuple[tuple[str, ...], str]] = {
    "no policy": (
        (),
        """
        .    .    .    .        .    .    .    .
        .    .    .    .        .    .    .    .
        .    .    .    .        .    .    .    .
        .    .    .    .        .    .    .    .
        """,
    ),
    "a compromised user is blocked": (
        (USER_BLOCK,),
        """
        .    .    .    .        .    .    .    .
        .    .    .    .        .    .    .    .
        A    A    A    A        A    A    A    A
        A    A    A    A        A    A    A    A
        """,
    ),
    "a compromised user recovers": (
        (USER_RECOVERY,),
        """
        .    .    .    .        .    .    .    .
        .    .    .    .        .    .    .    .
        nmp  nmp  nmp  nmp      a    a    a    a
        nmp  nmp  nmp  nmp      a    a    a    a
        """,
    ),
    "a risky sign-in is blocked": (
        (SIGN_IN_BLOCK,),
        """
        .    .    S    S        .    .    S    S
        .    .    S    S        .    .    S    S
        .    .    S    S        .    .    S    S
        .    .    S    S        .    .    S    S
        """,
    ),
    "a risky sign-in proves itself, and is blocked without a method": (
        (SIGN_IN_MFA,),
        """
        .    .    nm   nm       .    .    s    s
        .    .    nm   nm       .    .    s    s
        .    .    nm   nm       .    .    a    a
        .    .    nm   nm       .    .    a    a
        """,
    ),
    "a risky sign-in proves itself, and may register there and then": (
        (SIGN_IN_REGISTER,),
        """
        .    .    nm   nm       .    .    nr   nr
        .    .    nm   nm       .    .    nr   nr
        .    .    nm   nm       .    .    a    a
        .    .    nm   nm       .    .    a    a
        """,
    ),
    "everybody registers now": (
        (REGISTRATION,),
        """
        .    .    .    .        r    r    s    s
        .    .    .    .        r    r    s    s
        .    .    .    .        a    a    a    a
        .    .    .    .        a    a    a    a
        """,
    ),
    "everybody registers within two weeks": (
        (REGISTRATION_14,),
        """
        .    .    .    .        r14  r14  s    s
        .    .    .    .        r14  r14  s    s
        .    .    .    .        a    a    a    a
        .    .    .    .        a    a    a    a
        """,
    ),
    "everybody proves a second factor": (
        (MFA_ALWAYS,),
        """
        m    m    m    m        r    r    s    s
        m    m    m    m        r    r    s    s
        m    m    m    m        a    a    a    a
        m    m    m    m        a    a    a    a
        """,
    ),
    "the specification's three, all recovering": (
        (USER_RECOVERY, SIGN_IN_MFA, REGISTRATION_14),
        """
        .    .    nm   nm       r14  r14  s    s
        .    .    nm   nm       r14  r14  s    s
        nmp  nmp  nmp  nmp      a    a    a    a
        nmp  nmp  nmp  nmp      a    a    a    a
        """,
    ),
    "the specification's three, both risks blocked": (
        (USER_BLOCK, SIGN_IN_BLOCK, REGISTRATION_14),
        """
        .    .    S    S        r14  r14  S    S
        .    .    S    S        r14  r14  S    S
        A    A    A    A        A    A    A    A
        A    A    A    A        A    A    A    A
        """,
    ),
    "the user blocked, the sign-in recovering with registration": (
        (USER_BLOCK, SIGN_IN_REGISTER, REGISTRATION),
        """
        .    .    nm   nm       r    r    nr   nr
        .    .    nm   nm       r    r    nr   nr
        A    A    A    A        A    A    A    A
        A    A    A    A        A    A    A    A
        """,
    ),
    "the user recovering, the sign-in blocked": (
        (USER_RECOVERY, SIGN_IN_BLOCK),
        """
        .    .    S    S        .    .    S    S
        .    .    S    S        .    .    S    S
        nmp  nmp  S    S        a    a    A    A
        nmp  nmp  S    S        a    a    A    A
        """,
    ),
    "registration at high risk only, so at medium it is refused": (
        (SIGN_IN_REGISTER_HIGH, REGISTRATION_14),
        """
        .    .    .    nm       r14  r14  s    nr
        .    .    .    nm       r14  r14  s    nr
        .    .    .    nm       a    a    a    a
        .    .    .    nm       a    a    a    a
        """,
    ),
    "MFA is needed now, so registration cannot be put off": (
        (MFA_ALWAYS, SIGN_IN_REGISTER, REGISTRATION_14),
        """
        m    m    nm   nm       r    r    nr   nr
        m    m    nm   nm       r    r    nr   nr
        m    m    nm   nm       a    a    a    a
        m    m    nm   nm       a    a    a    a
        """,
    ),
    "different levels for user and sign-in": (
        (USER_BLOCK_HIGH, SIGN_IN_MFA_FROM_LOW, REGISTRATION_14),
        """
        .    nm   nm   nm       r14  nr   s    s
        .    nm   nm   nm       r14  nr   s    s
        .    nm   nm   nm       a    a    a    a
        A    A    A    A        A    A    A    A
        """,
    ),
    "everybody accepts terms": (
        (TERMS_ALWAYS,),
        """
        t    t    t    t        t    t    t    t
        t    t    t    t        t    t    t    t
        t    t    t    t        t    t    t    t
        t    t    t    t        t    t    t    t
        """,
    ),
    "terms are the lighter step at low risk": (
        (TERMS_AT_LOW, SIGN_IN_MFA),
        """
        .    t    nm   nm       .    t    s    s
        .    t    nm   nm       .    t    s    s
        .    t    nm   nm       .    t    a    a
        .    t    nm   nm       .    t    a    a
        """,
    ),
    "everybody proves a second factor and accepts terms": (
        (MFA_AND_TERMS,),
        """
        mt   mt   mt   mt       rt   rt   s    s
        mt   mt   mt   mt       rt   rt   s    s
        mt   mt   mt   mt       a    a    a    a
        mt   mt   mt   mt       a    a    a    a
        """,
    ),
    "the specification's three, all recovering, and terms": (
        (TERMS_ALWAYS, USER_RECOVERY, SIGN_IN_MFA, REGISTRATION_14),
        """
        t    t    nmt  nmt      r14t r14t s    s
        t    t    nmt  nmt      r14t r14t s    s
        nmpt nmpt nmpt nmpt     a    a    a    a
        nmpt nmpt nmpt nmpt     a    a    a    a
        """,
    ),
    "a risky sign-in may register there and then, and accepts terms": (
        (SIGN_IN_REGISTER, TERMS_ALWAYS),
        """
        t    t    nmt  nmt      t    t    nrt  nrt
        t    t    nmt  nmt      t    t    nrt  nrt
        t    t    nmt  nmt      t    t    a    a
        t    t    nmt  nmt      t    t    a    a
        """,
    ),
}

_BEFORE_TERMS = {
    ".": (),
    "m": (Step.MFA,),
    "nm": (Step.NOTICE, Step.MFA),
    "nmp": (Step.NOTICE, Step.MFA, Step.PASSWORD_CHANGE),
    "r": (Step.MFA_REGISTRATION,),
    "r14": (Step.MFA_REGISTRATION,),
    "nr": (Step.NOTICE, Step.MFA_REGISTRATION),
}
STEPS = {
    **_BEFORE_TERMS,
    **{f"{cell}t".lstrip("."): (*steps, Step.TERMS_OF_USE) for cell, steps in _BEFORE_TERMS.items()},
    **dict.fromkeys("SAsa", (Step.BLOCK,)),
}


def document(written: tuple[str, ...], state: str = "on") -> PolicySet:
    """Return the policies as if applied from a file."""
    return from_file("".join(f'[[policy]]\nstate = "{state}"\n{text}\n' for text in written))


def cells() -> Iterator[tuple[str, RiskLevel, RiskLevel, bool, str]]:
    for title, (_, grid) in TABLE.items():
        rows = [line.split() for line in grid.strip().splitlines()]
        assert [len(row) for row in rows] == [8, 8, 8, 8], title
        for user_risk, row in zip(RiskLevel, rows, strict=True):
            for column, cell in enumerate(row):
                yield title, user_risk, RiskLevel(column % 4), column < 4, cell


@pytest.mark.parametrize("title", TABLE)
def test_every_combination_is_asked_for_what_the_table_says(title: str) -> None:
    """F038, F039, F042, F043, F044, F048, F066-F072, F080-F082, C035, C068."""
    force = document(TABLE[title][0])
    for _, user_risk, sign_in_risk, registered, cell in (found for found in cells() if found[0] == title):
        decision = evaluate(
            force, asking(user_risk=user_risk, sign_in_risk=sign_in_risk, registered=registered)
        )
        where = (title, user_risk.label, sign_in_risk.label, registered)
        assert decision.steps == STEPS[cell], where
        assert decision.skip_days_left == (14 if cell.startswith("r14") else None), where
        if decision.first is Step.BLOCK:
            assert decision.about_user is (cell in "Aa"), where
            assert (decision.reason is Reason.POLICY) is (cell in "SA"), where
        elif decision.first is Step.NOTICE:
            assert decision.about_user is cell.startswith("nmp"), where


@pytest.mark.parametrize("title", TABLE)
def test_doing_what_the_table_says_in_its_order_leads_to_the_application(title: str) -> None:
    """F073: each page shown once, none twice, whether or not a detection outlives the recovery; a block stays."""
    force = document(TABLE[title][0])
    for _, user_risk, sign_in_risk, registered, cell in (found for found in cells() if found[0] == title):
        request = asking(user_risk=user_risk, sign_in_risk=sign_in_risk, registered=registered)
        assert tuple(walk(force, request)) == STEPS[cell], (title, user_risk, sign_in_risk, registered)


def walk(force: PolicySet, request: AccessRequest) -> Iterator[Step]:
    """Do what is asked for, a minute a page, and yield the pages; the risk of the user stays open."""
    for _ in range(10):
        step = evaluate(force, request).first
        if step is None:
            return
        yield step
        now = request.at + MINUTE
        match step:
            case Step.BLOCK:
                return
            case Step.SIGN_IN:
                request = replace(
                    request, at=now, signed_in_at=now, authenticated_at=now, amr=frozenset({"pwd"})
                )
                request = replace(request, mfa_at=None, noticed_at=None)
            case Step.NOTICE:
                request = replace(request, at=now, noticed_at=now)
            case Step.MFA:
                amr = request.amr | ({"hwk"} if request.strengths else {"otp"})
                request = replace(request, at=now, mfa_at=now, authenticated_at=now, amr=amr)
            case Step.MFA_REGISTRATION:
                request = replace(request, at=now, registered=True, mfa_at=now, authenticated_at=now)
            case Step.PASSWORD_CHANGE:
                request = replace(request, at=now, recovered_at=now)
            case Step.RECOVERY:  # signed in again with a second factor, and by that without risk
                request = replace(
                    request, at=now, signed_in_at=now, authenticated_at=now, mfa_at=now, noticed_at=None
                )
                request = replace(request, user_risk=RiskLevel.NONE, user_risk_at=None)
            case Step.TERMS_OF_USE:
                named = evaluate(force, request).terms_of_use
                accepted = tuple(AcceptedTerms(name, at=now, valid_days=1) for name in named)
                request = replace(request, at=now, accepted_terms=(*request.accepted_terms, *accepted))
    raise AssertionError("the pages go in circles")


@pytest.mark.parametrize("title", TABLE)
def test_on_trial_nothing_of_the_table_is_asked_for(title: str) -> None:
    """F049: the same policies in report-only."""
    force = document(TABLE[title][0], "report_only")
    for _, user_risk, sign_in_risk, registered, _ in (found for found in cells() if found[0] == title):
        assert evaluate(
            force, asking(user_risk=user_risk, sign_in_risk=sign_in_risk, registered=registered)
        ).allowed


def test_the_table_is_whole() -> None:
    """32 combinations of every set of policies, and each kind of answer somewhere."""
    found = list(cells())
    assert len(found) == 32 * len(TABLE) == len({cell[:4] for cell in found})
    assert {cell[4] for cell in found} == set(STEPS)


@pytest.mark.parametrize("title", TABLE)
def test_one_weak_signal_blocks_nobody(title: str) -> None:
    """D09: whatever set of policies is in force, at low or none there is a way in, unless the identity is at risk."""
    force = document(TABLE[title][0])
    for _, user_risk, sign_in_risk, registered, cell in (found for found in cells() if found[0] == title):
        if max(user_risk, sign_in_risk) <= RiskLevel.LOW:
            assert cell not in "SAsa", (title, user_risk, sign_in_risk, registered)
            request = asking(user_risk=user_risk, sign_in_risk=sign_in_risk, registered=registered)
            assert evaluate(force, request).first is not Step.BLOCK


# What must hold for any policies and any facts


def holds(policy: Policy, request: AccessRequest) -> bool:
    """Whether a policy is about a request: conditions ANDed, empty is any, an exclusion wins."""
    names = {"user:" + request.username} | {"group:" + group for group in request.groups}
    names |= {"role:" + role for role in request.roles}
    country = {request.country or "unknown"}
    for chosen, actual in (
        (policy.who, names),
        (policy.clients, {request.client_id}),
        (policy.countries, country),
    ):
        if actual & chosen.exclude or (chosen.include and not actual & chosen.include):
            return False
    if policy.user_risk and request.user_risk not in policy.user_risk:
        return False
    if policy.registering and not request.registering:
        return False
    if policy.expression is not None and not SAID[policy.expression.text](request):
        return False
    if policy.known_device is not None and policy.known_device is not request.known_device:
        return False
    return not policy.sign_in_risk or request.sign_in_risk in policy.sign_in_risk


#: What the expressions of the drawn policies say; unknown is not safe, so it counts as fulfilled.
SAID: dict[str, Callable[[AccessRequest], bool]] = dict(
    zip(
        EXPRESSIONS,
        (
            lambda asked: asked.known_device or asked.user_risk >= RiskLevel.MEDIUM,
            lambda asked: asked.country not in ("CH", "AT") and not asked.registered,
            lambda asked: (
                asked.sign_in_risk > RiskLevel.LOW and ("staff" in asked.groups or not asked.user_risk)
            ),
        ),
        strict=True,
    )
)


def is_met(control: Control, policy: Policy, request: AccessRequest) -> bool:
    """Whether a control is satisfied, from the text of product.md."""
    since = request.user_risk_at if policy.is_about_user_risk and request.user_risk else None
    if control is Control.BLOCK:
        return False
    if control is Control.MFA:
        proved = request.mfa_at
        return request.registered and proved is not None and (since is None or proved >= since)
    if control is Control.RISK_REMEDIATION and request.recovers_without_password:
        return False  # until the risk is gone
    if control in (Control.PASSWORD_CHANGE, Control.RISK_REMEDIATION):
        return request.recovered_at is not None and since is not None and request.recovered_at >= since
    if request.registered:
        return True
    at_risk = max(request.user_risk, request.sign_in_risk) >= RiskLevel.MEDIUM
    if not request.registration_skipped or at_risk or "administrator" in request.roles:
        return False
    first_prompt = request.registration_prompted_at or request.at
    return (request.at - first_prompt).total_seconds() < policy.skip_days * 86_400


def is_recent(policy: Policy, request: AccessRequest) -> bool:
    """F060: whether the person proved who they are within the time that a policy leaves."""
    if policy.sign_in_frequency is None or request.authenticated_at is None:
        return True
    return request.at <= request.authenticated_at + policy.sign_in_frequency


def is_strong(policy: Policy, request: AccessRequest) -> bool:
    """F046: whether what was proved cannot be phished, where that is asked for."""
    return policy.strength is None or bool(request.amr & {"hwk", "swk"})


def agreed_to(request: AccessRequest) -> set[str]:
    """C068: the terms that were accepted, in a version and at a time that are good enough."""
    return {
        terms.name
        for terms in request.accepted_terms
        if terms.required <= terms.version
        and (
            terms.valid_days is None
            or (terms.at is not None and (request.at - terms.at).total_seconds() < terms.valid_days * 86_400)
        )
    }


def unmet(force: PolicySet, request: AccessRequest) -> list[tuple[str, str]]:
    """Return what enforced policies that apply still demand."""
    if force.emergency or request.username in force.break_glass:
        return []
    applying = [p for p in force.policies if p.state is PolicyState.ON and holds(p, request)]
    return [
        *((p.name, str(c)) for p in applying for c in p.controls if not is_met(c, p, request)),
        *((p.name, "sign_in_frequency") for p in applying if not is_recent(p, request)),
        *((p.name, "strength") for p in applying if not is_strong(p, request)),
        *((p.name, name) for p in applying for name in p.terms_of_use - agreed_to(request)),
    ]


def own_demands(request: AccessRequest) -> bool:
    """Whether something is missing that no policy has to ask for."""
    steps_up = request.step_up and request.registered and request.mfa_at is None
    return (
        not request.enabled
        or request.temporary_password
        or steps_up
        or request.stopped_sign_in
        or not request.consented
    )


@settings(max_examples=1500)
@given(policy_sets, access_requests)
def test_nobody_is_let_in_while_a_control_is_unmet_and_nobody_is_kept_out_for_nothing(
    force: PolicySet, request: AccessRequest
) -> None:
    """I1, F048, C068: allowed exactly when every control of every enforced policy that applies is met."""
    decision = evaluate(force, request)
    missing = unmet(force, request)
    assert decision.allowed is (not missing and not own_demands(request)), missing


@settings(max_examples=400)
@given(policy_sets, policies("another"), access_requests, st.integers(0, 4))
def test_another_policy_never_opens_a_door(
    force: PolicySet, another: Policy, request: AccessRequest, place: int
) -> None:
    """F048: wherever it is written, whoever was not let in without it is not let in with it."""
    more = replace(force, policies=(*force.policies[:place], another, *force.policies[place:]))
    before, after = evaluate(force, request), evaluate(more, request)
    assert before.allowed or not after.allowed


@settings(max_examples=400)
@given(policy_sets, access_requests, st.randoms())
def test_the_order_of_the_file_does_not_change_the_decision(
    force: PolicySet, request: AccessRequest, shuffle: Random
) -> None:
    mixed = list(force.policies)
    shuffle.shuffle(mixed)
    assert answer(evaluate(replace(force, policies=tuple(mixed)), request)) == answer(
        evaluate(force, request)
    )


def answer(decision: Decision) -> tuple[object, ...]:
    """Return a decision without its reasons and results, which follow the order of the file."""
    return (
        decision.steps,
        decision.about_user,
        decision.mfa_for_sign_in_risk,
        decision.skip_days_left,
        {result.policy: result.to_dict() for result in decision.results},
    )


@settings(max_examples=400)
@given(policy_sets, access_requests)
def test_policies_that_are_not_enforced_change_nothing(force: PolicySet, request: AccessRequest) -> None:
    """F049: with the trials taken out, everything is decided alike; off leaves no trace at all."""
    kept = () if force.emergency else tuple(p for p in force.policies if p.state is PolicyState.ON)
    with_trials, without = evaluate(force, request), evaluate(replace(force, policies=kept), request)
    assert replace(with_trials, results=()) == replace(without, results=())
    off = {policy.name for policy in force.policies if policy.state is PolicyState.OFF}
    assert off.isdisjoint(result.policy for result in with_trials.results)


@settings(max_examples=400)
@given(policy_sets, access_requests)
def test_a_word_is_said_about_every_policy_that_is_looked_at(
    force: PolicySet, request: AccessRequest
) -> None:
    """F053: not applied with every unmet condition, or an outcome; never both."""
    results = evaluate(force, request).results
    assert [result.policy for result in results] == [
        policy.name for policy in force.policies if policy.state is not PolicyState.OFF
    ]
    for result in results:
        assert (result.word == "not_applied") is bool(result.unmet)
        enforced = result.state is PolicyState.ON and not force.emergency
        assert result.word.startswith("would_") is (not result.unmet and not enforced)


@settings(max_examples=400)
@given(policy_sets, access_requests)
def test_steps_are_asked_for_in_their_order_and_a_block_stands_alone(
    force: PolicySet, request: AccessRequest
) -> None:
    """F048: notice, registration, MFA, password change, review, consent."""
    decision = evaluate(force, request)
    order = list(Step)
    assert list(decision.steps) == sorted(decision.steps, key=order.index)
    assert Step.BLOCK not in decision.steps or decision.steps == (Step.BLOCK,)
    assert decision.steps != (Step.NOTICE,)
    assert decision.allowed is (decision.reason is None)
    assert decision.allowed is (decision.outcome == "allowed")


@settings(max_examples=400)
@given(policy_sets, access_requests)
def test_nobody_registers_on_the_password_alone_where_it_could_be_the_attacker(
    force: PolicySet, request: AccessRequest
) -> None:
    """I7, F071, F072: never a compromised user; in a risky sign-in only where every such policy allows it.

    Or where the help desk made sure who it is, and the session stayed where it was.
    """
    decision = evaluate(force, request)
    if Step.MFA_REGISTRATION not in decision.steps:
        return
    assert request.user_risk < RiskLevel.MEDIUM
    if request.sign_in_risk >= RiskLevel.MEDIUM and not (request.vouched_for and not request.session_risk):
        allowing = [
            policy.unregistered
            for policy in force.policies
            if policy.state is PolicyState.ON
            and holds(policy, request)
            and policy.sign_in_risk
            and Control.MFA in policy.controls
        ]
        assert set(allowing) == {Unregistered.REGISTER}
        assert decision.skip_days_left is None


@settings(max_examples=400)
@given(policy_sets, access_requests)
def test_pages_never_go_in_circles(force: PolicySet, request: AccessRequest) -> None:
    """F073: whoever does what is asked for gets somewhere; no page comes twice.

    A sign-in that grows too old while its person reads is replaced once; the new one begins with its own pages.
    """
    request = replace(request, at=NOW, consented=True, temporary_password=False, stopped_sign_in=False)
    pages = list(walk(force, request))
    assert pages.count(Step.SIGN_IN) <= 1
    again = pages.index(Step.SIGN_IN) if Step.SIGN_IN in pages else 0
    for of_one_sign_in in (pages[:again], pages[again:]):
        assert len(of_one_sign_in) == len(set(of_one_sign_in))


def test_a_sign_in_that_grows_too_old_on_the_way_begins_anew() -> None:
    """F073: it was just young enough when the notice was shown; hypothesis found it."""
    policy = 'name = "often"\nwhen = { sign_in_risk = ["low"] }\nthen = { require = ["mfa"], sign_in_frequency = "1h" }'
    request = asking(
        sign_in_risk=RiskLevel.LOW, registered=False, authenticated_at=NOW - 60 * MINUTE, noticed_at=None
    )
    pages = list(walk(document((policy,), "on"), replace(request, at=NOW)))
    assert pages == [Step.NOTICE, Step.SIGN_IN, Step.NOTICE, Step.MFA_REGISTRATION]
