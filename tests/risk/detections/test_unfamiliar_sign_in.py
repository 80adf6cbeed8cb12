"""By degree: the same Ada, one thing after the other being different."""

from dataclasses import replace

import pytest

from idprotect.risk import About, Attempt, Count, Finding, NotEvaluated, Profile, RiskLevel
from idprotect.risk.detections.unfamiliar_sign_in import UnfamiliarSignIn
from idprotect.risk.model import BASE
from idprotect.risk.profile import DAY
from tests.risk.examples import (
    AT,
    BERGEN,
    CHROME,
    CURL,
    FIREFOX,
    HOUR,
    LAPTOP,
    ada,
    attempt,
    signals,
    stranger,
)

NONE, LOW, MEDIUM, HIGH = RiskLevel


def level(presented: Attempt, profile: Profile | None = None) -> RiskLevel:
    """Return the level of the answer; Ada has signed in twenty times at noon."""
    counts = {("all", ""): Count(AT, ok=900, users=200), ("country", "GB"): Count(AT, users=20)}
    answer = UnfamiliarSignIn().detect(signals(presented, profile, counts))
    assert not isinstance(answer, NotEvaluated)
    return answer.level if isinstance(answer, Finding) else NONE


@pytest.mark.parametrize(
    ("presented", "expected"),
    [
        (attempt(), NONE),
        (attempt(address="192.0.2.99", device=None), NONE),
        (attempt(address="203.0.113.5", place=BERGEN), NONE),
        (stranger(device=LAPTOP, browser=FIREFOX), NONE),
        (attempt(address="203.0.113.5", place=BERGEN, device=None), LOW),
        (attempt(address="203.0.113.5", place=BERGEN, asn=64999, device=None, browser=CHROME), LOW),
        (stranger(), MEDIUM),
        (stranger(AT + 11 * HOUR), HIGH),
        (stranger(browser=CURL), MEDIUM),
        (stranger(network={"hosting": True}), HIGH),
    ],
    ids=[
        "at home",
        "near home, the cookies deleted",
        "her laptop in another town",
        "her laptop abroad",
        "a new device in another town, on her provider",
        "a new device in another town, on another",
        "a new device abroad",
        "the same at 11 at night",
        "a program abroad",
        "a new device abroad in a data centre",
    ],
)
def test_the_more_is_new_the_higher(presented: Attempt, expected: RiskLevel) -> None:
    """F002, F005: a near place and a known device suppress it; nothing alone is more than low."""
    assert level(presented) is expected


def test_the_reasons_name_each_property_with_how_often_it_was_seen() -> None:
    """F002, F024."""
    answer = UnfamiliarSignIn().detect(signals(stranger(network={"hosting": True})))
    assert isinstance(answer, Finding)
    assert (answer.name, answer.about) == ("unfamiliar_sign_in", About.SIGN_IN)
    assert set(answer.reasons) >= {
        "address 198.51.100.9: never seen before",
        "network AS64511 Fjord Broadband: never seen before",
        "country GB: never seen before",
        "browser Chrome on Windows: never seen before",
        "device: not known",
        "compared with 20 earlier sign-ins",
    }
    home = UnfamiliarSignIn(shift=9).detect(signals())
    assert isinstance(home, Finding)
    assert set(home.reasons) >= {"address 192.0.2.7: seen 20 times before", "device: known by its cookie"}


def test_the_reasons_name_what_weighed_most_heaviest_first() -> None:
    answer = UnfamiliarSignIn().detect(signals(stranger(network={"hosting": True})))
    assert isinstance(answer, Finding)
    assert answer.reasons[0] == "no known device, in an unknown network (+1.8)"
    weighed = [abs(float(reason[-5:-1])) for reason in answer.reasons if reason.endswith(")")]
    assert weighed == sorted(weighed, reverse=True)
    assert 3 <= len(weighed) <= 6


def test_all_that_was_weighed_is_in_the_evidence() -> None:
    """D02: so that the sum can be made again."""
    answer = UnfamiliarSignIn().detect(signals(stranger()))
    assert isinstance(answer, Finding)
    assert answer.evidence["nats"]["base"] == pytest.approx(BASE)
    assert sum(answer.evidence["nats"].values()) > -0.41, "medium"


@pytest.mark.parametrize("sign_ins", [0, 1, 2])
def test_while_a_user_is_learnt_unfamiliarity_alone_is_not_evaluated(sign_ins: int) -> None:
    """F003, D16: three networks within the window, and nothing is found."""
    for number in range(3):
        profile = ada(sign_ins)
        answer = UnfamiliarSignIn().detect(signals(stranger(address=f"203.0.113.{number}"), profile))
        assert isinstance(answer, NotEvaluated)
        assert answer.why.startswith("learning this user")


def test_while_a_user_is_learnt_what_does_not_rest_on_habits_counts() -> None:
    """A tool from a data centre is odd for anyone."""
    tool = stranger(browser=CURL, network={"hosting": True})
    assert isinstance(UnfamiliarSignIn().detect(signals(tool, ada(2, until=AT - HOUR))), Finding)


def test_after_long_inactivity_nothing_is_unfamiliar() -> None:
    """F004: no sign-in for 61 days."""
    answer = UnfamiliarSignIn().detect(signals(stranger(), ada(until=AT - 61 * DAY)))
    assert answer == NotEvaluated("learning this user anew: no sign-in for more than 60 days")
    assert isinstance(UnfamiliarSignIn().detect(signals(stranger(), ada(until=AT - 59 * DAY))), Finding)


def test_after_a_compromise_was_found_unfamiliarity_still_counts() -> None:
    """An intruder who is found out does not make the next one invisible."""
    profile = ada()
    profile.forget_since(AT - HOUR)
    assert level(stranger(), profile) >= MEDIUM


def test_a_copied_cookie_in_another_system_is_more_than_the_known_device() -> None:
    """The laptop's cookie, abroad, from another operating system and without hints that it used to send."""
    profile = ada()
    chromium = replace(FIREFOX, hints=True)
    profile.learn(
        replace(attempt(AT - HOUR, browser=chromium), platform_version="6.1"),
        signals().learning,
        LAPTOP,
        None,
    )
    assert level(stranger(device=LAPTOP, browser=CHROME), profile) >= LOW
    assert level(stranger(device=LAPTOP, browser=replace(chromium, exact="copied")), profile) >= LOW


def test_the_operator_makes_it_stricter_or_more_lenient() -> None:
    """F025: two nats either way."""
    told = signals(stranger())
    stricter, usual, lenient = (UnfamiliarSignIn(shift=shift).detect(told) for shift in (2, 0, -2))
    assert isinstance(stricter, Finding)
    assert isinstance(usual, Finding)
    assert stricter.level > usual.level
    assert lenient is None or (isinstance(lenient, Finding) and lenient.level < usual.level)
