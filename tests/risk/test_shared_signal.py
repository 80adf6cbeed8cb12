"""What the events of others raise: the published table, the cap, and that nothing ever falls."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect.event_types import RISK_LEVEL_CHANGE, short
from idprotect.risk import RiskLevel
from idprotect.risk.detections.shared_signal import (
    ENDS_SESSIONS,
    LONGEST,
    RULES,
    USUAL,
    level_of,
    members_of,
    shared_signal,
)
from tests.risk.test_published import table

LEVELS = st.sampled_from(list(RiskLevel))
CAPS = st.sampled_from([level for level in RiskLevel if level])
MEMBERS = st.dictionaries(
    st.sampled_from(
        ["current_level", "reason", "current_status", "change_direction", "initiating_entity", "principal"]
    ),
    st.sampled_from(
        ["HIGH", "MEDIUM", "LOW", "hijacking", "not-compliant", "decrease", "admin", "USER", "TENANT"]
    ),
)


def test_the_table_of_events_is_the_code_s() -> None:
    """C020: docs/risk.md publishes each event, what it raises, what ends sessions, and what is usual."""
    published = {row[0].strip("`"): row[1:] for row in table("event of another system")}
    yes = {True: "yes", False: "no"}
    expected = {}
    for event_type, rule in RULES.items():
        levels = [f"{level.label} for `{value}`" for value, level in rule.by_value.items()]
        otherwise = [f"{rule.level.label} otherwise" if levels else rule.level.label]
        words = ", ".join(levels + otherwise)
        expected[short(event_type)] = [words, yes[event_type in ENDS_SESSIONS], yes[event_type in USUAL]]
    assert published == expected


@given(st.sampled_from(list(RULES)), MEMBERS, CAPS)
def test_no_event_raises_more_than_the_cap(event_type: str, members: dict[str, str], cap: RiskLevel) -> None:
    """C020: nor anything where it says nothing; and a finding is never at none."""
    found, said = shared_signal("s", event_type, members, cap), level_of(event_type, members)
    assert (found is None) == (said is RiskLevel.NONE)
    if found is not None:
        assert found.level == min(said, cap) > RiskLevel.NONE
        assert (found.level < said) == any("may not raise" in reason for reason in found.reasons)


@given(
    st.recursive(st.none() | st.text() | st.integers(), lambda x: st.dictionaries(st.text(), x) | st.lists(x))
)
def test_of_an_event_short_printable_text_is_kept(value: Any) -> None:
    """C020, section 9: what stands in reasons is text and one line, whatever came."""
    event = dict.fromkeys(("reason", "reason_admin", "current_level", "other"), value)
    for text in members_of(event).values():
        assert text.isprintable()
        assert 0 < len(text) <= LONGEST


@pytest.mark.parametrize("principal", ["TENANT", "GROUP", "ORG_UNIT", "odd"])
def test_what_is_about_many_says_nothing_about_one(principal: str) -> None:
    """C020: a whole tenant at high risk makes no person compromised."""
    members = {"principal": principal, "current_level": "HIGH"}
    assert shared_signal("s", RISK_LEVEL_CHANGE, members, RiskLevel.HIGH) is None


def test_why_is_told_in_english_if_it_can_be() -> None:
    """C020: reason_admin is an object by language; older events had plain text."""
    assert members_of({"reason_admin": {"de": "Schadsoftware", "en": "malware"}}) == {
        "reason_admin": "malware"
    }
    assert members_of({"reason_admin": {"de": "Schadsoftware"}}) == {"reason_admin": "Schadsoftware"}
    assert members_of({"reason_admin": "malware"}) == {"reason_admin": "malware"}
    assert members_of({"reason_admin": {}, "reason": ["x"], "principal": 1}) == {}
