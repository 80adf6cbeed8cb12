"""User risk: the published table row by row, and what must hold for every combination."""

from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect.risk import OpenSignIn, RiskLevel, user_risk
from idprotect.risk.user_risk import USER_RISK_TABLE

NONE, LOW, MEDIUM, HIGH = RiskLevel

LOW_SIGN_IN = OpenSignIn(LOW, completed=True)
MEDIUM_SIGN_IN = OpenSignIn(MEDIUM, completed=True)
STOPPED_LOW = OpenSignIn(LOW, completed=False)
STOPPED_MEDIUM = OpenSignIn(MEDIUM, completed=False)
HIGH_LET_THROUGH = OpenSignIn(HIGH, completed=True)
STOPPED_HIGH = OpenSignIn(HIGH, completed=False)

# Row of the published table → open detections about the user, open sign-ins, level.
ROWS: dict[str, list[tuple[list[RiskLevel], list[OpenSignIn], RiskLevel]]] = {
    "a detection about the user is open": [
        ([LOW], [], LOW),
        ([MEDIUM], [], MEDIUM),
        ([HIGH], [], HIGH),
        ([LOW, HIGH, MEDIUM], [], HIGH),
        ([MEDIUM], [MEDIUM_SIGN_IN], MEDIUM),
    ],
    "a high sign-in completed without mitigation": [
        ([], [HIGH_LET_THROUGH], HIGH),
        ([], [STOPPED_HIGH, HIGH_LET_THROUGH], HIGH),
        ([LOW], [HIGH_LET_THROUGH], HIGH),
    ],
    "a high sign-in was stopped": [
        ([], [STOPPED_HIGH], MEDIUM),
        ([], [STOPPED_HIGH, STOPPED_HIGH, STOPPED_HIGH], MEDIUM),
        ([], [STOPPED_HIGH, MEDIUM_SIGN_IN, LOW_SIGN_IN], MEDIUM),
    ],
    "two medium sign-ins": [
        ([], [MEDIUM_SIGN_IN, MEDIUM_SIGN_IN], MEDIUM),
        ([], [STOPPED_MEDIUM, STOPPED_MEDIUM], MEDIUM),
        ([], [STOPPED_MEDIUM, MEDIUM_SIGN_IN, MEDIUM_SIGN_IN], MEDIUM),
        ([LOW], [MEDIUM_SIGN_IN, MEDIUM_SIGN_IN], MEDIUM),
    ],
    "one medium sign-in": [
        ([], [MEDIUM_SIGN_IN], LOW),
        ([], [STOPPED_MEDIUM], LOW),
        ([], [MEDIUM_SIGN_IN, LOW_SIGN_IN, LOW_SIGN_IN], LOW),
    ],
    "three low sign-ins": [
        ([], [LOW_SIGN_IN, LOW_SIGN_IN, LOW_SIGN_IN], LOW),
        ([], [STOPPED_LOW, LOW_SIGN_IN, STOPPED_LOW], LOW),
        ([], [LOW_SIGN_IN] * 50, LOW),
    ],
    "nothing of that": [
        ([], [], NONE),
        ([], [LOW_SIGN_IN], NONE),
        ([], [LOW_SIGN_IN, STOPPED_LOW], NONE),
        ([], [OpenSignIn(NONE, completed=True)] * 5, NONE),
    ],
}

user_levels = st.lists(st.sampled_from(RiskLevel), max_size=4)
open_sign_ins = st.lists(st.builds(OpenSignIn, st.sampled_from(RiskLevel), st.booleans()), max_size=7)


@pytest.mark.parametrize(
    ("about_user", "sign_ins", "level"), [example for examples in ROWS.values() for example in examples]
)
def test_each_row_of_the_table_gives_its_level(
    about_user: list[RiskLevel], sign_ins: list[OpenSignIn], level: RiskLevel
) -> None:
    """F029: the user's level is made from what is open, and from nothing else."""
    assert user_risk(about_user, sign_ins) is level


def test_the_published_table_has_these_rows_and_no_others() -> None:
    """F029: nobody publishes a row that is not proved here, or proves one that is not published."""
    assert [row for row, _ in USER_RISK_TABLE] == [row for row in ROWS if row != "nothing of that"]
    assert [level for _, level in USER_RISK_TABLE] == [
        "its own level",
        "high",
        "medium",
        "medium",
        "low",
        "low",
    ]


def test_every_count_of_sign_ins_agrees_with_the_words_of_the_product() -> None:
    """F029: all small combinations, against the sentence of product.md 2.1 read from its end to its start."""
    for own, lows, mediums, stopped, let_through in product(
        RiskLevel, range(5), range(4), range(3), range(2)
    ):
        expected = NONE
        if lows >= 3 or mediums == 1:
            expected = LOW
        if mediums >= 2 or stopped:
            expected = MEDIUM
        if let_through:
            expected = HIGH
        sign_ins = [LOW_SIGN_IN] * lows + [STOPPED_MEDIUM] * mediums
        sign_ins += [STOPPED_HIGH] * stopped + [HIGH_LET_THROUGH] * let_through
        assert user_risk([own], sign_ins) == max(expected, own), (own, lows, mediums, stopped, let_through)


@given(user_levels, open_sign_ins, st.sampled_from(RiskLevel))
def test_another_detection_about_the_user_never_lowers_the_risk(
    about_user: list[RiskLevel], sign_ins: list[OpenSignIn], level: RiskLevel
) -> None:
    assert user_risk([*about_user, level], sign_ins) >= user_risk(about_user, sign_ins)


@given(user_levels, open_sign_ins, st.builds(OpenSignIn, st.sampled_from(RiskLevel), st.booleans()))
def test_another_risky_sign_in_never_lowers_the_risk(
    about_user: list[RiskLevel], sign_ins: list[OpenSignIn], sign_in: OpenSignIn
) -> None:
    assert user_risk(about_user, [*sign_ins, sign_in]) >= user_risk(about_user, sign_ins)


@given(user_levels, open_sign_ins, st.data())
def test_a_worse_sign_in_never_lowers_the_risk(
    about_user: list[RiskLevel], sign_ins: list[OpenSignIn], data: st.DataObject
) -> None:
    """A sign-in that rises in level, or is completed after all, never makes the user look better."""
    place = data.draw(st.integers(0, len(sign_ins)))
    before = OpenSignIn(NONE, completed=False) if place == len(sign_ins) else sign_ins[place]
    worse = OpenSignIn(
        data.draw(st.sampled_from([level for level in RiskLevel if level >= before.level])),
        before.completed or data.draw(st.booleans()),
    )
    others = sign_ins[:place] + sign_ins[place + 1 :]
    assert user_risk(about_user, [*others, worse]) >= user_risk(about_user, [*others, before])


@given(user_levels, open_sign_ins, st.data())
def test_closing_detections_never_raises_the_risk(
    about_user: list[RiskLevel], sign_ins: list[OpenSignIn], data: st.DataObject
) -> None:
    """F029: whatever is closed, the level stays or falls; with everything closed it is none."""
    left = [level for level in about_user if data.draw(st.booleans())]
    left_sign_ins = [sign_in for sign_in in sign_ins if data.draw(st.booleans())]
    assert user_risk(left, left_sign_ins) <= user_risk(about_user, sign_ins)
    assert user_risk([], []) is NONE


@given(user_levels, open_sign_ins, st.randoms())
def test_the_order_in_which_detections_came_does_not_matter(
    about_user: list[RiskLevel], sign_ins: list[OpenSignIn], shuffle: Random
) -> None:
    before = user_risk(about_user, sign_ins)
    mixed_levels, mixed_sign_ins = list(about_user), list(sign_ins)
    shuffle.shuffle(mixed_levels)
    shuffle.shuffle(mixed_sign_ins)
    assert user_risk(mixed_levels, mixed_sign_ins) is before


@given(open_sign_ins)
def test_sign_ins_that_were_all_stopped_never_make_a_user_high(sign_ins: list[OpenSignIn]) -> None:
    """A block changes nothing: an attacker who is stopped again and again does not lock the owner's account."""
    stopped = [OpenSignIn(sign_in.level, completed=False) for sign_in in sign_ins]
    assert user_risk([], stopped) <= MEDIUM


def test_every_level_is_reachable_by_sign_ins_alone() -> None:
    """D09: no level of user risk is out of reach."""
    reached = {
        user_risk([], sign_ins)
        for sign_ins in ([], [MEDIUM_SIGN_IN], [MEDIUM_SIGN_IN] * 2, [HIGH_LET_THROUGH])
    }
    assert reached == set(RiskLevel)


@pytest.mark.parametrize("sign_in", [LOW_SIGN_IN, STOPPED_LOW, MEDIUM_SIGN_IN, STOPPED_MEDIUM])
def test_one_weak_sign_in_never_reaches_what_stops_a_user(sign_in: OpenSignIn) -> None:
    """D09: one low or medium sign-in alone leaves the user below medium, where the policies begin."""
    assert user_risk([], [sign_in]) <= LOW
