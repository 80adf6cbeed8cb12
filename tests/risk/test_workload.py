"""What is suspicious about an application that acts for itself: right credentials from a network it never came from."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect.risk import NotEvaluated, RiskLevel
from idprotect.risk.workload import (
    MOST_ORIGINS,
    UNKNOWN,
    Anomaly,
    Baseline,
    Origin,
    client_risk,
    judge_origin,
    surplus,
)

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)
BASELINE = Baseline(days=5, grants=5)
LEVELS = st.sampled_from([RiskLevel.NONE, RiskLevel.MEDIUM])


def origin(asn: int, *, times: int = 10, days: float = 30, level: RiskLevel = RiskLevel.NONE) -> Origin:
    """Return a network that a client came from, so many days ago first."""
    return Origin(asn, NOW - timedelta(days=days), NOW, times, level)


@st.composite
def histories(draw: st.DrawFn) -> list[Origin]:
    """Return any networks of a client, each of them once."""
    asns = draw(st.lists(st.integers(0, 60), unique=True, max_size=60))
    return [_any_origin(draw, asn) for asn in asns]


def _any_origin(draw: st.DrawFn, asn: int) -> Origin:
    last = NOW - timedelta(hours=draw(st.integers(0, 1000)))
    return Origin(
        asn, last - timedelta(days=draw(st.integers(0, 50))), last, draw(st.integers(1, 9)), draw(LEVELS)
    )


def test_a_new_network_after_the_baseline_is_medium_and_says_why() -> None:
    """F020."""
    found = judge_origin(64666, [origin(64501), origin(64500)], NOW, BASELINE)
    assert isinstance(found, Anomaly)
    assert found.level is RiskLevel.MEDIUM
    assert found.reasons == (
        "the client's credentials were used from AS64666; so far it came from AS64500, AS64501",
    )
    assert found.evidence == {"asn": 64666, "known_asns": [64500, 64501]}


@pytest.mark.parametrize(
    ("times", "days", "why"),
    [
        (1, 0, "learning this client until 2026-03-11 12:00 UTC, and 4 more grants"),
        (4, 30, "learning this client until 2026-02-09 12:00 UTC, and 1 more grants"),
        (50, 4.5, "learning this client until 2026-03-07 00:00 UTC"),
        (5, 5, ""),
    ],
)
def test_learning_takes_five_days_and_five_grants(times: int, days: float, why: str) -> None:
    """F020: both, and it says until when."""
    history = [origin(64500, times=times, days=days)]
    assert BASELINE.reason(history, NOW) == why
    answer = judge_origin(64666, history, NOW, BASELINE)
    assert answer == NotEvaluated(why) if why else isinstance(answer, Anomaly)


def test_neither_suspicious_networks_nor_unknown_ones_count_as_learnt() -> None:
    """F020: what was found, or could not be told, is no baseline."""
    history = [origin(UNKNOWN, times=99), origin(64666, times=99, level=RiskLevel.MEDIUM)]
    assert BASELINE.reason(history, NOW) == "learning this client: no network of it was learnt yet"


@given(histories())
def test_an_unknown_system_is_never_called_safe(history: list[Origin]) -> None:
    """F020: not evaluated, whatever is known of the client."""
    assert isinstance(judge_origin(UNKNOWN, history, NOW, BASELINE), NotEvaluated)


@given(histories(), st.integers(1, 90))
def test_only_what_is_new_is_found_and_that_does_not_become_known(history: list[Origin], asn: int) -> None:
    """F020: found once; its level stays until somebody closes it."""
    found = judge_origin(asn, history, NOW, BASELINE)
    if isinstance(found, Anomaly):
        assert asn not in {each.asn for each in history}
        after = [*history, Origin(asn, NOW, NOW, 1, found.level)]
        assert client_risk(after) >= RiskLevel.MEDIUM
        assert judge_origin(asn, after, NOW, BASELINE) is None
        assert BASELINE.reason(after, NOW) == BASELINE.reason(history, NOW) == ""


@given(histories(), LEVELS)
def test_what_is_remembered_is_bounded_and_nobody_pushes_out_what_is_known(
    history: list[Origin], level: RiskLevel
) -> None:
    """F020: only networks of the same level go."""
    forgotten = surplus(history, level)
    alike = {each.asn for each in history if each.level is level and each.asn != UNKNOWN}
    assert set(forgotten) <= alike
    assert len(alike - set(forgotten)) == min(len(alike), MOST_ORIGINS)
    last_at = {each.asn: each.last_at for each in history}
    left = [last_at[asn] for asn in alike - set(forgotten)]
    assert all(last_at[asn] <= min(left) for asn in forgotten)
