"""One sign-in judged: evidence adds up, and what could not look is never called safe."""

from dataclasses import dataclass
from itertools import combinations_with_replacement
from random import Random
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect.risk import About, Finding, NotEvaluated, RiskLevel, Signals, Timing, assess, sign_in_risk
from tests.risk.examples import signals

NONE, LOW, MEDIUM, HIGH = RiskLevel

levels = st.lists(st.sampled_from(RiskLevel), max_size=8)


@dataclass(frozen=True, slots=True)
class Suspects:
    """A detector of a host application that finds what it is told to."""

    level: RiskLevel = LOW
    about: About = About.SIGN_IN
    name: ClassVar[str] = "suspects"

    def detect(self, signals: Signals) -> Finding:
        return Finding(self.name, self.level, self.about, (f"{signals.attempt.browser.family} looks odd",))


class FindsNothing:
    name: ClassVar[str] = "finds_nothing"

    def detect(self, signals: Signals) -> None:
        return None


class CannotLook:
    name: ClassVar[str] = "cannot_look"

    def detect(self, signals: Signals) -> NotEvaluated:
        return NotEvaluated("no location data")


class Breaks:
    name: ClassVar[str] = "breaks"

    def detect(self, signals: Signals) -> None:
        raise ZeroDivisionError("secret detail of a host")


@dataclass(frozen=True)
class Answers:
    """A detector that does not keep to the contract."""

    answer: object
    name: ClassVar[str] = "answers"

    def detect(self, signals: Signals) -> object:
        return self.answer


def test_the_evidence_of_several_findings_adds_up() -> None:
    """D09: the documented rule, low 1, medium 3, high 6, written out."""
    table = {
        (): NONE,
        (NONE, NONE): NONE,
        (LOW,): LOW,
        (LOW, LOW): LOW,
        (LOW, LOW, LOW): MEDIUM,
        (LOW,) * 5: MEDIUM,
        (LOW,) * 6: HIGH,
        (MEDIUM,): MEDIUM,
        (MEDIUM, LOW): MEDIUM,
        (MEDIUM, LOW, LOW): MEDIUM,
        (MEDIUM, LOW, LOW, LOW): HIGH,
        (MEDIUM, MEDIUM): HIGH,
        (HIGH,): HIGH,
        (HIGH, LOW): HIGH,
        (HIGH, HIGH, HIGH): HIGH,
    }
    assert {found: sign_in_risk(found) for found in table} == table


def test_a_trusted_location_lowers_but_never_exempts() -> None:
    """F023: each single level falls by one; enough evidence stays what it is."""
    table = {
        (): NONE,
        (LOW,): NONE,
        (LOW, LOW, LOW): LOW,
        (MEDIUM,): LOW,
        (HIGH,): MEDIUM,
        (MEDIUM, MEDIUM): MEDIUM,
        (HIGH, MEDIUM): HIGH,
        (HIGH, HIGH): HIGH,
    }
    assert {found: sign_in_risk(found, trusted_location=True) for found in table} == table


@given(levels, st.sampled_from(RiskLevel), st.booleans())
def test_another_finding_never_lowers_the_risk(
    found: list[RiskLevel], more: RiskLevel, trusted: bool
) -> None:
    assert sign_in_risk([*found, more], trusted_location=trusted) >= sign_in_risk(
        found, trusted_location=trusted
    )


@given(levels)
def test_a_trusted_location_never_raises_the_risk(found: list[RiskLevel]) -> None:
    """F023."""
    assert sign_in_risk(found, trusted_location=True) <= sign_in_risk(found)


@given(levels, st.randoms())
def test_the_order_of_findings_does_not_matter(found: list[RiskLevel], shuffle: Random) -> None:
    mixed = list(found)
    shuffle.shuffle(mixed)
    assert sign_in_risk(mixed) is sign_in_risk(found)


@given(levels)
def test_the_risk_is_never_below_the_worst_finding(found: list[RiskLevel]) -> None:
    """Adding up is never an average: many harmless findings do not dilute a bad one."""
    assert sign_in_risk(found) >= max(found, default=NONE)


@pytest.mark.parametrize("trusted", [False, True])
def test_every_level_is_reachable(trusted: bool) -> None:
    """D09: by at most two findings, in a trusted location as well."""
    reached = {
        sign_in_risk(found, trusted_location=trusted)
        for count in range(3)
        for found in combinations_with_replacement(RiskLevel, count)
    }
    assert reached == set(RiskLevel)


def test_one_weak_signal_never_gets_beyond_low() -> None:
    """D09: one low finding, and even two, stay below where the templates of policies begin."""
    assert sign_in_risk([LOW]) is LOW
    assert sign_in_risk([LOW, LOW]) is LOW


def test_a_sign_in_in_which_nothing_is_found_has_no_risk() -> None:
    assessment = assess(signals(), [FindsNothing()])
    assert (assessment.level, assessment.findings, assessment.failed) == (NONE, (), ())
    assert assessment.not_evaluated == {}


def test_a_host_application_adds_a_detector_of_its_own() -> None:
    """C053: a class with a name and an answer is enough; its finding counts like any other."""
    assessment = assess(signals(), [Suspects(MEDIUM), Suspects(MEDIUM)])
    assert assessment.level is HIGH
    assert [finding.reasons for finding in assessment.findings] == [("Firefox looks odd",)] * 2
    assert {finding.timing for finding in assessment.findings} == {Timing.REAL_TIME}


def test_a_finding_about_the_user_does_not_make_the_sign_in_risky() -> None:
    """A leaked password is a danger for the identity, whoever signs in with it."""
    assessment = assess(signals(), [Suspects(HIGH, About.USER), Suspects(LOW)])
    assert assessment.level is LOW
    assert [finding.about for finding in assessment.findings] == [About.USER, About.SIGN_IN]


def test_a_trusted_location_lowers_the_level_and_keeps_the_findings() -> None:
    """F023: the same findings, one level lower; every detector was asked."""
    elsewhere = assess(signals(), [Suspects(MEDIUM), CannotLook()])
    at_home = assess(signals(trusted_location="office"), [Suspects(MEDIUM), CannotLook()])
    assert (elsewhere.level, at_home.level) == (MEDIUM, LOW)
    assert at_home.findings == elsewhere.findings
    assert at_home.not_evaluated == elsewhere.not_evaluated


def test_a_detector_that_could_not_look_says_why_and_is_not_a_finding() -> None:
    """D16: not evaluated is never shown or counted as safe."""
    assessment = assess(signals(), [CannotLook(), FindsNothing()])
    assert assessment.not_evaluated == {"cannot_look": "no location data"}
    assert (assessment.findings, assessment.failed) == ((), ())


def test_a_detector_that_raises_is_named_and_the_others_are_still_asked() -> None:
    """F116: what it means is the caller's choice; the text of the exception stays out of the record."""
    assessment = assess(signals(), [Suspects(LOW), Breaks(), CannotLook(), Suspects(MEDIUM)])
    assert assessment.failed == ("breaks",)
    assert assessment.not_evaluated == {
        "breaks": "failed with ZeroDivisionError",
        "cannot_look": "no location data",
    }
    assert len(assessment.findings) == 2
    assert assessment.level is MEDIUM


@pytest.mark.parametrize("answer", [True, False, "high", 3, [], [Suspects(HIGH).detect(signals())]])
def test_a_detector_that_answers_nonsense_has_failed(answer: object) -> None:
    """F116, I3: an answer that nobody understands is not *nothing suspicious*."""
    assessment = assess(signals(), [Answers(answer)])  # type: ignore[list-item]
    assert assessment.failed == ("answers",)
    assert assessment.not_evaluated == {"answers": f"answered with {type(answer).__name__}"}


@given(st.lists(st.sampled_from([Suspects(LOW), Suspects(HIGH), FindsNothing(), CannotLook(), Breaks()])))
def test_the_same_signals_are_judged_the_same_way_again(detectors: list[object]) -> None:
    """D02: deterministic, so that replay says what live said."""
    assert assess(signals(), detectors) == assess(signals(), detectors)  # type: ignore[arg-type]
