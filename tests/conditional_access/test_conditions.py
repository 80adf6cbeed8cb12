"""Who a policy is about: each condition by itself, and all of them together."""

from typing import Any

import pytest

from idprotect.conditional_access import CONDITIONS, Control, Outcome, Policy, Selection, evaluate
from idprotect.risk import RiskLevel
from tests.conditional_access.examples import HIGH, LOW, MEDIUM, NONE, asking, in_force, policy


def only(*names: str) -> Selection:
    return Selection(frozenset(names))


def but(*names: str) -> Selection:
    return Selection(frozenset(), frozenset(names))


def unmet(policy: Policy, **facts: Any) -> tuple[str, ...]:
    """Return the conditions that do not hold."""
    (result,) = evaluate(in_force(policy), asking(**facts)).results
    assert (result.outcome is Outcome.NOT_APPLIED) is bool(result.unmet)
    return result.unmet


def applies(facts: dict[str, Any], **conditions: Any) -> bool:
    return not unmet(policy("p", Control.BLOCK, **conditions), **facts)


def test_a_policy_without_conditions_is_about_everybody() -> None:
    """An empty condition means *any*."""
    assert applies({})
    assert applies({"username": "eve", "client_id": "bank", "country": "DE", "sign_in_risk": HIGH})


@pytest.mark.parametrize(
    ("name", "facts", "meant"),
    [
        ("user:ada", {}, True),
        ("user:eve", {}, False),
        ("user:u1", {}, False),
        ("group:staff", {"groups": {"staff", "golf"}}, True),
        ("group:staff", {"groups": {"golf"}}, False),
        ("role:administrator", {"roles": {"administrator"}}, True),
        ("role:administrator", {"groups": {"administrator"}}, False),
        ("group:ada", {}, False),
    ],
)
def test_users_groups_and_roles_are_meant_by_name(name: str, facts: dict[str, Any], meant: bool) -> None:
    """F040: a group that is called like a user or a role is not one."""
    assert applies(facts, who=only(name)) is meant
    assert applies(facts, who=but(name)) is not meant


def test_one_of_the_included_names_is_enough() -> None:
    """F040."""
    assert applies({}, who=only("user:ada", "group:staff"))
    assert applies({"username": "eve", "groups": {"staff"}}, who=only("user:ada", "group:staff"))


def test_an_exclusion_wins() -> None:
    """F040: in both, so the policy is not applied, and the reason is shown."""
    both = Selection(frozenset({"user:ada", "group:staff"}), frozenset({"group:guests"}))
    assert applies({"groups": {"staff"}}, who=both)
    found = unmet(policy("p", Control.BLOCK, who=both), groups={"staff", "guests"})
    assert found == ("who",)


def test_the_same_name_included_and_excluded_is_excluded() -> None:
    """F040."""
    assert not applies({}, who=Selection(frozenset({"user:ada"}), frozenset({"user:ada"})))


def test_a_policy_for_one_client_leaves_the_others_alone() -> None:
    """F054, C056."""
    assert applies({"client_id": "bank"}, clients=only("bank"))
    assert not applies({"client_id": "notes"}, clients=only("bank"))
    assert not applies({"client_id": "bank"}, clients=but("bank"))
    assert applies({"client_id": "notes"}, clients=but("bank"))


@pytest.mark.parametrize("name", ["user_risk", "sign_in_risk"])
def test_risk_levels_are_an_explicit_set(name: str) -> None:
    """F038, F039, F041: a level means itself, neither what is above nor below it."""
    for chosen in ({LOW}, {MEDIUM}, {HIGH}, {MEDIUM, HIGH}, {NONE}, set(RiskLevel)):
        for level in RiskLevel:
            assert applies({name: level}, **{name: chosen}) is (level in chosen), (chosen, level)


@pytest.mark.parametrize(("name", "other"), [("user_risk", "sign_in_risk"), ("sign_in_risk", "user_risk")])
def test_the_two_kinds_of_risk_are_not_mixed_up(name: str, other: str) -> None:
    """F038, F039."""
    assert not applies({other: HIGH}, **{name: {HIGH}})


def test_a_named_location_is_included_or_excluded() -> None:
    """F055, C057: an address that lies nowhere is outside of every location."""
    assert applies({"locations": {"office", "campus"}}, locations=only("office"))
    assert not applies({"locations": {"campus"}}, locations=only("office"))
    assert not applies({}, locations=only("office"))
    assert not applies({"locations": {"office", "campus"}}, locations=but("office"))
    assert applies({}, locations=but("office"))


def test_a_country_is_included_or_excluded() -> None:
    """F055."""
    assert applies({"country": "CH"}, countries=only("CH", "LI"))
    assert not applies({"country": "DE"}, countries=only("CH", "LI"))
    assert not applies({"country": "CH"}, countries=but("CH"))
    assert applies({"country": "DE"}, countries=but("CH"))


@pytest.mark.parametrize("country", [None, ""])
def test_an_unknown_country_is_a_choice_of_its_own(country: str | None) -> None:
    """F055, C058: it is no particular country, and to exclude one does not exclude the unknown."""
    assert not applies({"country": country}, countries=only("CH"))
    assert applies({"country": country}, countries=but("CH"))
    assert applies({"country": country}, countries=only("CH", "unknown"))
    assert not applies({"country": country}, countries=but("CH", "unknown"))
    assert not applies({"country": "CH"}, countries=only("unknown"))


def test_a_platform_is_one_of_the_chosen_and_the_unknown_is_a_choice() -> None:
    """F057."""
    assert applies({"platform": "ios"}, platforms={"ios", "android"})
    assert not applies({"platform": "linux"}, platforms={"ios", "android"})
    assert not applies({"platform": None}, platforms={"ios", "android"})
    assert applies({"platform": None}, platforms={"ios", "unknown"})


def test_one_of_the_requested_scopes_is_enough() -> None:
    """C062."""
    assert applies({"scopes": {"openid", "payments"}}, scopes={"payments", "admin"})
    assert not applies({"scopes": {"openid"}}, scopes={"payments", "admin"})
    assert not applies({}, scopes={"payments"})


@pytest.mark.parametrize("known", [True, False])
def test_a_known_device_can_be_asked_for_or_excepted(known: bool) -> None:
    assert applies({"known_device": known})
    assert applies({"known_device": known}, known_device=known)
    assert not applies({"known_device": known}, known_device=not known)


EACH_CONDITION = {
    "who": only("user:eve"),
    "clients": only("bank"),
    "user_risk": frozenset({HIGH}),
    "sign_in_risk": frozenset({HIGH}),
    "locations": only("office"),
    "countries": only("CH"),
    "platforms": frozenset({"ios"}),
    "scopes": frozenset({"payments"}),
    "known_device": True,
    "registering": True,
    "expression": '"staff" in groups',
}


def test_every_condition_that_does_not_hold_is_named() -> None:
    """F052, F053: all of them, in a fixed order, so that nobody has to guess twice."""
    assert tuple(EACH_CONDITION) == tuple(CONDITIONS)
    assert unmet(policy("p", Control.BLOCK, **EACH_CONDITION)) == tuple(EACH_CONDITION)


@pytest.mark.parametrize("missing", EACH_CONDITION)
def test_one_condition_that_does_not_hold_is_enough(missing: str) -> None:
    """Conditions are ANDed: everything but one holds, and that one is named."""
    met = {
        "username": "eve",
        "client_id": "bank",
        "user_risk": HIGH,
        "sign_in_risk": HIGH,
        "locations": {"office"},
        "country": "CH",
        "platform": "ios",
        "scopes": {"payments"},
        "known_device": True,
        "registering": True,
        "groups": {"staff"},
    }
    assert applies(met, **EACH_CONDITION)
    facts = dict(zip(EACH_CONDITION, met.items(), strict=True))
    without = {key: value for key, value in met.items() if key != facts[missing][0]}
    assert unmet(policy("p", Control.BLOCK, **EACH_CONDITION), **without) == (missing,)
