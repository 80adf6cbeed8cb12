"""The words of risk, which people write alert rules on."""

import pytest

from idprotect.risk import RiskDetail, RiskLevel, RiskState, Timing, highest


def test_levels_are_ordered_and_called_by_their_stable_names() -> None:
    """F027."""
    assert [level.label for level in sorted(RiskLevel)] == ["none", "low", "medium", "high"]


@pytest.mark.parametrize("level", RiskLevel)
def test_a_level_is_found_again_by_its_name(level: RiskLevel) -> None:
    assert RiskLevel.parse(level.label) is level


@pytest.mark.parametrize("text", ["", "severe", "0", "__class__", "low "])
def test_a_level_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="unknown risk level"):
        RiskLevel.parse(text)


def test_the_highest_of_no_levels_is_none() -> None:
    assert highest([]) is RiskLevel.NONE
    assert highest([RiskLevel.LOW, RiskLevel.HIGH, RiskLevel.NONE]) is RiskLevel.HIGH


def test_the_states_are_those_of_the_product() -> None:
    """F027."""
    assert {str(state) for state in RiskState} == {
        "none",
        "at_risk",
        "remediated",
        "dismissed",
        "confirmed_safe",
        "confirmed_compromised",
        "aged_out",
    }
    assert {state for state in RiskState if state.is_open} == {"at_risk", "confirmed_compromised"}


def test_the_details_of_the_product_exist() -> None:
    """F030: the last column of the table in product.md 2.2."""
    assert {str(detail) for detail in RiskDetail} >= {
        "user_passed_mfa",
        "assessed_safe",
        "user_changed_password",
        "sessions_revoked",
        "admin_temporary_password",
        "user_confirmed",
        "admin_dismissed",
        "admin_confirmed_safe",
        "admin_confirmed_compromised",
    }


def test_a_detection_is_made_in_real_time_or_offline() -> None:
    assert {str(timing) for timing in Timing} == {"real_time", "offline"}
