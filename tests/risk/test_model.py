"""The model: every piece of evidence weighs what is published, and none of them decides alone."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.risk_levels import AT, CHROME, LONDON, SIGNALS, Case, usual
from idprotect.risk import Count, Kind, Learning, Profile, RiskLevel
from idprotect.risk.detections import DETECTIONS, SESSION_DETECTIONS
from idprotect.risk.evidence import Evidence, evidence
from idprotect.risk.evidence.failures import MOST_ELSEWHERE
from idprotect.risk.model import BASE, THRESHOLDS, contributions, level_of, points
from idprotect.risk.profile import DAY
from idprotect.risk.weights import WEIGHTS

NOT_SPENT: frozenset[str] = frozenset()
#: Found, and without a weight: near enough to habit to say nothing (place), unknown, or left to another piece of
#: evidence or to a rule.
WEIGHTLESS = {
    "net_place",
    "net_unknown",
    "asn_rare",
    "travel_known_soft",
    "session_net_place",
    "session_net_unknown",
    "session_listed",
    "session_site_surge",
    "session_browser_surge",
    "session_travel_soft",
}
#: The most that a piece of evidence can be; what is not here is there or not: at most one.
MOST = {
    "device_often": 3.0,
    "failed_here": 3.0,
    "failed_elsewhere": MOST_ELSEWHERE,
    "failed_strange": 3.0,
    "denied": 2.0,
    "hour": 2.0,
    "slow": 3.0,
    "session_slow": 3.0,
    "site_shared": 2.0,
    "session_site_shared": 2.0,
    **{f"{kind}_surge": 3.0 for kind in ("site", "asn", "browser", "session_asn")},
    **dict.fromkeys(("travel", "travel_soft", "travel_known", "session_travel"), 2.0),
    **dict.fromkeys(("device_travel", "device_travel_soft"), 2.0),
}
MANY = Count(AT, ok=2, users=6, failed=200, accounts=90)


def _shared(case: Case) -> None:
    case.comes_from(address="198.51.100.9", asn=64511, location=LONDON)
    keys = ("site", case.attempt.site), ("asn", "64511"), ("exact", "unseen")
    case.counts |= dict.fromkeys(keys, MANY)
    case.comes(browser=replace(CHROME, exact="unseen"))


def _hosting_used(case: Case) -> None:
    case.comes_from(hosting=True)
    case.profile.confirm(replace(case.attempt, at=AT - DAY))
    case.comes_from(address="192.0.2.99")


def _fast(case: Case) -> None:
    SIGNALS["a new country"](case)
    SIGNALS["a quarter of an hour after the last one"](case)


def _fast_stranger(case: Case) -> None:
    _fast(case)
    SIGNALS["no cookie of ours"](case)


def _own_provider_abroad(case: Case) -> None:
    case.comes_from(address="198.51.100.9", location=LONDON)


def _own_place(case: Case) -> None:
    case.comes_from(address="198.51.100.9")


def _other_home(case: Case) -> None:
    case.comes_from(address="198.51.100.9")
    case.profile.confirm(replace(case.attempt, at=AT - DAY))


def _older(case: Case) -> None:
    case.comes(browser=replace(CHROME, exact="older", version=140))


def _newer(case: Case) -> None:
    case.comes(browser=replace(CHROME, exact="newer", version=151))


def _stopped(case: Case) -> None:
    _own_provider_abroad(case)
    case.profile.deny(case.attempt)
    case.profile.forget_since(AT)


def _other_machine(case: Case) -> None:
    case.comes(device=None, platform_version="10.0", model="another")


def _nowhere(case: Case) -> None:
    case.comes(network=None, site="", block="")


EXAMPLES: tuple[Callable[[Case], None], ...] = (
    *SIGNALS.values(),
    _shared,
    _hosting_used,
    _fast,
    _fast_stranger,
    _own_provider_abroad,
    _own_place,
    _other_home,
    _older,
    _newer,
    _stopped,
    _other_machine,
    _nowhere,
)


def found(case: Case) -> Evidence:
    return evidence(case.attempt, case.profile, case.counts)


def walk() -> dict[str, float]:
    """Return every piece of evidence that pairs of examples make, with the most that it was."""
    most: dict[str, float] = {}
    for kind, one, other in product(Kind, EXAMPLES, EXAMPLES):
        case = usual(kind)
        one(case)
        other(case)
        for name, value in found(case).items():
            most[name] = max(value, most.get(name, 0.0))
    return most


PRODUCED = walk()


def test_every_piece_of_evidence_has_a_weight_or_deliberately_none() -> None:
    """D09: nothing is found and forgotten."""
    assert set(PRODUCED) - set(WEIGHTS) <= WEIGHTLESS
    assert not WEIGHTLESS & set(WEIGHTS)


def test_every_weight_is_reachable() -> None:
    """D09: no weight is for something that never happens."""
    assert set(WEIGHTS) - set(PRODUCED) == set()


def test_evidence_is_never_more_than_its_most() -> None:
    assert {
        name: value for name, value in PRODUCED.items() if not 0 < value <= MOST.get(name, 1.0)
    }.keys() <= WEIGHTLESS


@pytest.mark.parametrize("name", sorted(WEIGHTS))
def test_no_single_piece_of_evidence_is_high(name: str) -> None:
    """D09: at the most that it can be, one weak signal never blocks."""
    assert level_of(BASE + WEIGHTS[name].nats * MOST.get(name, 1.0)) < RiskLevel.HIGH


def test_no_evidence_is_no_risk_and_every_level_is_within_reach() -> None:
    """D09."""
    assert level_of(BASE) is RiskLevel.NONE
    everything = dict.fromkeys(WEIGHTS, 1.0)
    assert level_of(sum(contributions(everything, NOT_SPENT).values())) is RiskLevel.HIGH
    assert [level_of(nats) for nats in THRESHOLDS.values()] == list(THRESHOLDS)
    assert [level_of(nats - 0.001) for nats in THRESHOLDS.values()] == [
        RiskLevel(level - 1) for level in THRESHOLDS
    ]


pieces = st.dictionaries(st.sampled_from(sorted(WEIGHTS)), st.floats(0, 3), max_size=8)


@given(pieces, st.sampled_from(sorted(WEIGHTS)), st.floats(0, 3))
def test_more_of_it_moves_the_sum_by_its_sign(known: dict[str, float], name: str, more: float) -> None:
    before = sum(contributions(known, NOT_SPENT).values())
    after = sum(contributions({**known, name: known.get(name, 0.0) + more}, NOT_SPENT).values())
    assert (after - before) * WEIGHTS[name].nats >= -1e-9


@given(pieces)
def test_points_agree_with_levels(known: dict[str, float]) -> None:
    """The score is finer than the level and never contradicts it: 1 at low, 3 at medium, 6 at high."""
    level = level_of(sum(contributions(known, NOT_SPENT).values()))
    least = {RiskLevel.LOW: 1, RiskLevel.MEDIUM: 3, RiskLevel.HIGH: 6}
    reached = max(
        (each for each, need in least.items() if points(known, NOT_SPENT) >= need - 1e-6),
        default=RiskLevel.NONE,
    )
    assert reached in (level, level + 1), "at the very border rounding may go either way"
    assert reached == level or abs(points(known, NOT_SPENT) - least[reached]) < 1e-5


def test_what_a_rule_accounts_for_is_the_name_of_a_rule() -> None:
    names = {detector.name for detector in (*DETECTIONS, *SESSION_DETECTIONS)}
    assert {weight.part_of for weight in WEIGHTS.values()} - {""} <= names


def test_each_weight_says_what_it_means_and_no_two_say_the_same() -> None:
    """F024: an administrator reads it."""
    told = [(weight.means, weight.part_of) for weight in WEIGHTS.values()]
    assert len(set(told)) == len(told)
    assert all(weight.means and weight.nats for weight in WEIGHTS.values())


def test_of_somebody_unknown_nothing_is_unfamiliar() -> None:
    """The habits of a user without any weigh nothing."""
    case = usual()
    habitual = {"net_new", "stranger_abroad", "stranger_elsewhere", "hardware_new", "hour", "slow"}
    assert not habitual & set(evidence(case.attempt, Profile(), {}))
    young = Profile()
    young.learn(replace(case.attempt, at=AT - DAY), Learning(), None, None)
    assert evidence(case.attempt, young, {})["young"] == pytest.approx(1 / 3)
