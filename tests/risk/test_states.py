"""The state machine of risk: each row of product.md 2.2, written out by hand."""

from dataclasses import astuple
from datetime import UTC, datetime, timedelta

import pytest

from idprotect.risk import TRANSITIONS, RiskDetail, RiskEvent, RiskState, Transition
from idprotect.risk.states import OPEN_DETAIL, why_not_reactivated, why_not_undone

LISTED = frozenset({"listed_ip"})
NOBODY: frozenset[str] = frozenset()

# event: what it closes, as what, with which detail; whose sessions end; what stays open; can it be reactivated;
# does it close what an administrator confirmed, too.
# What closes nothing is followed by the state that the user is in then.
TABLE = {
    "mfa_for_sign_in_risk": ("this_sign_in", "remediated", "user_passed_mfa", "none", NOBODY, False, False),
    "mfa_for_another_reason": ("this_sign_in", "dismissed", "assessed_safe", "none", NOBODY, False, False),
    "secure_password_change": (
        "the_users",
        "remediated",
        "user_changed_password",
        "others",
        LISTED,
        False,
        True,
    ),
    "sessions_revoked": ("the_users", "remediated", "sessions_revoked", "all", NOBODY, False, True),
    "temporary_password": ("the_users", "remediated", "admin_temporary_password", "all", LISTED, False, True),
    "user_confirmed_sign_in": ("this_sign_in", "dismissed", "user_confirmed", "none", NOBODY, False, False),
    "user_reported": ("nothing", "at_risk", "none", "others", NOBODY, False, True),
    "voluntary_password_change": ("nothing", "at_risk", "none", "others", NOBODY, False, True),
    "admin_dismissed_user": ("the_users", "dismissed", "admin_dismissed", "none", NOBODY, True, True),
    "admin_dismissed_sign_in": ("this_sign_in", "dismissed", "admin_dismissed", "none", NOBODY, True, True),
    "admin_confirmed_user_safe": (
        "the_users",
        "confirmed_safe",
        "admin_confirmed_safe",
        "none",
        NOBODY,
        True,
        True,
    ),
    "admin_confirmed_sign_in_safe": (
        "this_sign_in",
        "confirmed_safe",
        "admin_confirmed_safe",
        "none",
        NOBODY,
        True,
        True,
    ),
    "admin_confirmed_user_compromised": (
        "nothing",
        "confirmed_compromised",
        "admin_confirmed_compromised",
        "all",
        NOBODY,
        False,
        True,
    ),
    "admin_confirmed_sign_in_compromised": (
        "nothing",
        "confirmed_compromised",
        "admin_confirmed_compromised",
        "all",
        NOBODY,
        False,
        True,
    ),
    "admin_resolved": ("this_detection", "remediated", "admin_resolved", "none", NOBODY, True, True),
    "admin_false_positive": (
        "this_detection",
        "confirmed_safe",
        "admin_false_positive",
        "none",
        NOBODY,
        True,
        True,
    ),
    "admin_ignored": ("this_detection", "dismissed", "admin_ignored", "none", NOBODY, True, True),
    "aged_out": ("this_detection", "aged_out", "aged_out", "none", NOBODY, False, False),
}


def test_the_table_names_every_event_once() -> None:
    """F030: no event without a row, no row without an event."""
    assert {str(event) for event in TRANSITIONS} == set(TABLE) == {str(event) for event in RiskEvent}


@pytest.mark.parametrize("event", TABLE)
def test_each_event_does_what_the_table_says(event: str) -> None:
    """F030, F033, F034, F091, F092, F093, F094, F096: who closes what, as what, and whose sessions end."""
    assert astuple(TRANSITIONS[RiskEvent(event)]) == TABLE[event]


def closing() -> list[tuple[RiskEvent, Transition]]:
    return [(event, row) for event, row in TRANSITIONS.items() if row.closes != "nothing"]


def test_what_an_event_closes_ends_up_closed() -> None:
    assert all(not row.to.is_open and row.to is not RiskState.NONE for _, row in closing())


def test_what_closes_nothing_leaves_risk_open() -> None:
    """F076: a voluntary password change, a report and a confirmed compromise leave the user at risk."""
    open_after = {event: row.to for event, row in TRANSITIONS.items() if row.closes == "nothing"}
    assert set(open_after) == {
        "user_reported",
        "voluntary_password_change",
        "admin_confirmed_user_compromised",
        "admin_confirmed_sign_in_compromised",
    }
    assert all(state.is_open for state in open_after.values())


def test_only_what_an_administrator_closed_by_hand_can_be_reactivated() -> None:
    """F035: what the user or the system remediated stays closed."""
    reversible = {str(event) for event, row in TRANSITIONS.items() if row.reversible}
    assert reversible == {str(event) for event, _ in closing() if event.startswith("admin_")}


def test_each_way_to_close_risk_says_how_it_came_about() -> None:
    """F030: a detail, and never the same one for two different verbs."""
    details: dict[str, set[str]] = {}
    for event, row in closing():
        details.setdefault(str(row.detail), set()).add(
            event.replace("_user_safe", "").replace("_sign_in_safe", "")
        )
    assert "none" not in details
    assert details["admin_dismissed"] == {"admin_dismissed_user", "admin_dismissed_sign_in"}
    assert all(len(events) == 1 for detail, events in details.items() if detail != "admin_dismissed")


def test_a_password_does_not_cure_a_device() -> None:
    """Only the two passwords leave a listed address open; whatever revokes or dismisses takes everything."""
    keeping = {str(event) for event, row in TRANSITIONS.items() if row.keeps}
    assert keeping == {"secure_password_change", "temporary_password"}


def test_a_block_changes_nothing() -> None:
    """F042: there is no transition for being blocked."""
    assert not [event for event in RiskEvent if "block" in event]


def test_administrators_who_clear_a_user_leave_the_sessions_alone() -> None:
    """F091: dismissing or confirming safe ends nothing; the dialogue says so."""
    clearing = [row for event, row in closing() if event.startswith("admin_")]
    assert {str(row.ends) for row in clearing} == {"none"}


def test_what_an_administrator_confirmed_is_not_cleared_by_who_sits_in_that_sign_in_or_by_time() -> None:
    """A second factor, "this was me" and ageing leave it; a secure password change and administrators close it."""
    leaving = {str(event) for event, row in closing() if not row.overrules}
    assert leaving == {"mfa_for_sign_in_risk", "mfa_for_another_reason", "user_confirmed_sign_in", "aged_out"}


@pytest.mark.parametrize("event", [event for event, row in TRANSITIONS.items() if row.closes != "nothing"])
def test_the_detail_alone_tells_whether_something_can_be_reactivated(event: RiskEvent) -> None:
    """F035: all six verbs of administrators, and nothing that the system or the user cured."""
    row = TRANSITIONS[event]
    problem = why_not_reactivated(row.to, row.detail)
    if event.startswith("admin_"):
        assert problem is None
    else:
        assert problem is not None
        assert str(row.detail) in problem


@pytest.mark.parametrize("state", [state for state in RiskState if state.is_open])
def test_what_is_open_cannot_be_reactivated(state: RiskState) -> None:
    assert why_not_reactivated(state, OPEN_DETAIL[state]) == "it is open"


def test_every_open_state_has_its_detail() -> None:
    assert set(OPEN_DETAIL) == {state for state in RiskState if state.is_open}
    assert OPEN_DETAIL[RiskState.CONFIRMED_COMPROMISED] is RiskDetail.ADMIN_CONFIRMED_COMPROMISED


def test_a_dismissal_can_be_undone_until_the_window_is_over() -> None:
    """F036: at its very end still, and not a moment later."""
    at, window = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=24)
    assert why_not_undone(at, None, at, window) is None
    assert why_not_undone(at, None, at + window, window) is None
    assert "24 hours" in (why_not_undone(at, None, at + window + timedelta(microseconds=1), window) or "")
    assert "no dismissal" in (why_not_undone(None, None, at, window) or "")


def test_a_dismissal_is_undone_once_and_the_one_before_it_not_by_asking_again() -> None:
    """F036, F114: idempotent; a dismissal after that can be undone again."""
    at, window = datetime(2026, 3, 1, tzinfo=UTC), timedelta(hours=24)
    later = at + timedelta(hours=1)
    assert "undone already" in (why_not_undone(None, at, at, window) or "")
    assert "undone already" in (why_not_undone(at, later, later, window) or "")
    assert why_not_undone(later, at, later, window) is None
