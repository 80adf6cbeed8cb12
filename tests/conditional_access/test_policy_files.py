"""Policies as an administrator writes them: what a file says, and what is wrong with it."""

import tomllib
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect.conditional_access import (
    Control,
    Location,
    PolicyState,
    Selection,
    Unregistered,
    failed_tests,
    parse_policies,
    validity_problems,
)
from idprotect.conditional_access.expressions import Expression
from idprotect.conditional_access.toml import to_toml
from idprotect.errors import PolicyError
from tests.conditional_access.examples import HIGH, LOW, MEDIUM, NONE, from_file, in_force, policy

EVERYTHING = """
[[location]]
name = "office"
networks = ["192.0.2.0/24", "2001:db8::/32"]
trusted = true

[[location]]
name = "branch"
networks = ["198.51.100.0/25"]

[[policy]]
name = "careful"
title = "Careful with money"
state = "on"
clients = { include = ["bank"], exclude = ["wiki"] }

[policy.who]
users = ["ada"]
groups = ["staff"]
roles = ["operator"]
exclude_users = ["eve"]
exclude_groups = ["guests"]
exclude_roles = ["reader"]

[policy.when]
user_risk = ["low", "medium", "high"]
sign_in_risk = ["medium", "high"]
locations = ["branch"]
exclude_locations = ["office"]
countries = ["CH", "unknown"]
exclude_countries = ["DE"]
platforms = ["android", "ios"]
scopes = ["payments"]
known_device = false
expression = 'matches(client_id, "b*") and "branch" in locations'

[policy.then]
require = ["mfa"]
unregistered = "register"

[[policy]]
name = "registration"
then = { require = ["registration"], skip_days = 14 }
"""


def problems(text: str) -> tuple[str, ...]:
    """Return everything that is wrong with a document."""
    with pytest.raises(PolicyError) as error:
        from_file(text)
    return error.value.problems


def one_policy(then: str = 'require = ["mfa"]', when: str = "", rest: str = "") -> str:
    """Return a document with one policy."""
    return f'[[policy]]\nname = "p"\n{rest}\nwhen = {{ {when} }}\nthen = {{ {then} }}\n'


# What a file says


def test_every_key_arrives_where_it_belongs() -> None:
    """C074: policies as text."""
    careful, later = from_file(EVERYTHING).policies
    assert (careful.name, careful.title, careful.state) == ("careful", "Careful with money", PolicyState.ON)
    assert careful.who == Selection(
        frozenset({"user:ada", "group:staff", "role:operator"}),
        frozenset({"user:eve", "group:guests", "role:reader"}),
    )
    assert careful.clients == Selection(frozenset({"bank"}), frozenset({"wiki"}))
    assert careful.user_risk == {LOW, MEDIUM, HIGH}
    assert careful.sign_in_risk == {MEDIUM, HIGH}
    assert careful.locations == Selection(frozenset({"branch"}), frozenset({"office"}))
    assert careful.countries == Selection(frozenset({"CH", "unknown"}), frozenset({"DE"}))
    assert careful.platforms == {"android", "ios"}
    assert careful.scopes == {"payments"}
    assert careful.known_device is False
    assert careful.expression == Expression.parse('matches(client_id, "b*") and "branch" in locations')
    assert careful.controls == {Control.MFA}
    assert careful.unregistered is Unregistered.REGISTER
    assert later.controls == {Control.REGISTRATION}
    assert later.skip_days == 14


def test_named_locations_are_read_with_their_networks() -> None:
    """F055."""
    office, branch = from_file(EVERYTHING).locations
    assert set(office.networks) == {ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")}
    assert (office.name, office.trusted) == ("office", True)
    assert (branch.name, branch.trusted) == ("branch", False)


def test_a_new_policy_starts_in_report_only_and_blocks_whoever_has_no_method() -> None:
    """F049, C035: the cautious defaults, and everything that is left out means *any*."""
    (new,) = from_file('[[policy]]\nname = "p"\nthen = { require = ["mfa"] }').policies
    assert new == policy("p", Control.MFA, state=PolicyState.REPORT_ONLY)
    assert new.unregistered is Unregistered.BLOCK
    assert (new.who, new.clients, new.skip_days) == (Selection(), Selection(), 0)


def test_an_empty_file_has_no_policies() -> None:
    found = from_file("")
    assert (found.policies, found.locations, found.warnings, found.emergency) == ((), (), (), False)


def test_a_set_knows_its_version_and_whether_there_is_an_emergency() -> None:
    found = parse_policies({}, 7, emergency=True)
    assert (found.version, found.emergency) == (7, True)


def test_policies_keep_the_order_of_the_file() -> None:
    text = "".join(one_policy().replace('"p"', f'"{name}"') for name in ("z", "a", "m"))
    assert [policy.name for policy in from_file(text).policies] == ["z", "a", "m"]


@pytest.mark.parametrize("state", ["off", "report_only", "on"])
def test_a_policy_has_one_of_three_states(state: str) -> None:
    """F049."""
    (found,) = from_file(one_policy(rest=f'state = "{state}"')).policies
    assert found.state == state


@pytest.mark.parametrize("days", [0, 1, 14, 30])
def test_registration_can_be_put_off_for_up_to_thirty_days(days: int) -> None:
    """F081."""
    (found,) = from_file(one_policy(f'require = ["registration"], skip_days = {days}')).policies
    assert found.skip_days == days


@pytest.mark.parametrize(
    "then",
    [
        'require = ["block"]',
        'require = ["mfa"]',
        'require = ["mfa", "password_change"]',
        'require = ["password_change", "mfa"]',
        'require = ["registration"]',
    ],
)
def test_the_templates_of_the_specification_are_valid(then: str) -> None:
    """F038, F039, F080."""
    assert from_file(one_policy(then, 'user_risk = ["medium", "high"]')).warnings == ()


# The rules, each with its message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            one_policy(""),
            "policy 'p': 'then.require' must name at least one of block, mfa, password_change, risk_remediation, registration",
        ),
        (
            one_policy("require = []"),
            "policy 'p': 'then.require' must name at least one of block, mfa, password_change, risk_remediation, registration",
        ),
        (
            one_policy('require = ["block", "mfa"]'),
            "policy 'p': block cannot be combined with another control",
        ),
        (
            one_policy('require = ["registration", "mfa"]'),
            "policy 'p': registration cannot be combined with another control",
        ),
        (
            one_policy('require = ["mfa"], skip_days = 3'),
            "policy 'p': 'skip_days' belongs to a policy that requires registration",
        ),
        (
            one_policy('require = ["mfa"], unregistered = "register"'),
            "policy 'p': 'unregistered' belongs to a policy with a sign-in risk condition",
        ),
        (
            one_policy('require = ["mfa"], unregistered = "register"', 'user_risk = ["high"]'),
            "policy 'p': 'unregistered' belongs to a policy with a sign-in risk condition",
        ),
        (
            one_policy('require = ["password_change"]', 'user_risk = ["high"]'),
            "policy 'p': a password change needs mfa as well: whoever has the password could do it",
        ),
        (
            one_policy('require = ["mfa", "password_change"]'),
            "policy 'p': a password change needs a user risk condition: it is the cure of a compromised user",
        ),
        (
            one_policy('require = ["mfa", "password_change"]', 'user_risk = ["none", "high"]'),
            "policy 'p': a password change cannot be asked of a user without risk: there is nothing to cure",
        ),
        (
            one_policy(
                'require = ["mfa", "password_change"]',
                'user_risk = ["high"]',
                'clients = { include = ["notes"] }',
            ),
            "policy 'p': a password change must hold for all clients",
        ),
        (
            one_policy(
                'require = ["mfa", "password_change"]',
                'user_risk = ["high"]',
                'clients = { exclude = ["notes"] }',
            ),
            "policy 'p': a password change must hold for all clients",
        ),
    ],
)
def test_each_rule_is_named_when_it_is_broken(text: str, problem: str) -> None:
    """F047."""
    assert problems(text) == (problem,)


@pytest.mark.parametrize(
    "condition",
    [
        'sign_in_risk = ["high"]',
        'countries = ["DE"]',
        'exclude_countries = ["DE"]',
        'platforms = ["ios"]',
        'scopes = ["email"]',
        "known_device = true",
        "known_device = false",
        'locations = ["office"]',
        'exclude_locations = ["office"]',
        "expression = 'user_risk == \"high\"'",
    ],
)
def test_a_password_change_allows_no_condition_but_user_risk(condition: str) -> None:
    """F047: a compromised user is compromised everywhere."""
    text = '[[location]]\nname = "office"\nnetworks = ["192.0.2.0/24"]\n'
    text += one_policy('require = ["mfa", "password_change"]', f'user_risk = ["high"], {condition}')
    assert problems(text) == ("policy 'p': a password change allows no condition but user risk",)


def test_a_password_change_may_be_asked_of_some_users_only() -> None:
    """F047: who it is asked of is no condition; break-glass accounts are excluded that way."""
    text = one_policy(
        'require = ["mfa", "password_change"]',
        'user_risk = ["high"]',
        'who = { groups = ["staff"], exclude_users = ["glass"] }',
    )
    assert from_file(text).policies[0].who.exclude == {"user:glass"}


def test_a_policy_that_was_not_read_from_a_file_is_held_to_the_same_rules() -> None:
    """F047: the same function answers for pages and files."""
    assert validity_problems(policy("p", Control.MFA, Control.PASSWORD_CHANGE, user_risk={HIGH})) == []
    assert len(validity_problems(policy("p", Control.PASSWORD_CHANGE, scopes={"email"}))) == 3


# Keys, names and types


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[settings]\nx = 1", "unknown table 'settings'"),
        ("policies = []", "unknown table 'policies'"),
        (one_policy(rest='stat = "on"'), "policy 'p': unknown key 'stat'"),
        (one_policy(when='risk = ["high"]'), "policy 'p': unknown key 'risk' in 'when'"),
        (one_policy('require = ["mfa"], skip = 3'), "policy 'p': unknown key 'skip' in 'then'"),
        (one_policy(rest='who = { user = ["ada"] }'), "policy 'p': unknown key 'user' in 'who'"),
        (one_policy(rest='clients = { only = ["a"] }'), "policy 'p': unknown key 'only' in 'clients'"),
        (
            '[[location]]\nname = "x"\nnetworks = []\ncountry = "CH"',
            "location 'x': unknown key 'country'",
        ),
    ],
)
def test_an_unknown_key_is_an_error_so_that_a_typing_error_is_no_hole(text: str, problem: str) -> None:
    """F063."""
    assert problems(text) == (problem,)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (one_policy(rest='state = "enabled"'), "policy 'p': 'state' must be one of off, report_only, on"),
        (one_policy(rest="state = true"), "policy 'p': 'state' must be one of off, report_only, on"),
        (one_policy(rest='state = ["on"]'), "policy 'p': 'state' must be one of off, report_only, on"),
        (one_policy(rest="who = 3"), "policy 'p': 'who' must be a table"),
        (one_policy(rest='who = ["ada"]'), "policy 'p': 'who' must be a table"),
        (one_policy(rest='who = { users = "ada" }'), "policy 'p': 'users' must be a list of strings"),
        (one_policy(rest='who = { users = [""] }'), "policy 'p': 'users' must be a list of strings"),
        (one_policy(rest="clients = { include = [3] }"), "policy 'p': 'include' must be a list of strings"),
        (one_policy(when='user_risk = "high"'), "policy 'p': 'user_risk' must be a list of strings"),
        (one_policy(when="user_risk = [3]"), "policy 'p': 'user_risk' must be a list of strings"),
        (one_policy(when='user_risk = ["severe"]'), "policy 'p': 'user_risk' has no choice 'severe'"),
        (one_policy(when='sign_in_risk = [""]'), "policy 'p': 'sign_in_risk' must be a list of strings"),
        (one_policy(when="countries = { de = 1 }"), "policy 'p': 'countries' must be a list of strings"),
        (one_policy(when="known_device = 1"), "policy 'p': 'known_device' must be true or false"),
        (one_policy(when='known_device = "no"'), "policy 'p': 'known_device' must be true or false"),
        (one_policy('require = ["mfa", "sms"]'), "policy 'p': 'require' has no choice 'sms'"),
        (
            one_policy('require = ["mfa"], unregistered = "allow"', 'sign_in_risk = ["high"]'),
            "policy 'p': 'unregistered' must be one of block, register",
        ),
        ("policy = 3", "'policy' must be a list of tables ([[policy]])"),
        ("policy = [3]", "'policy' must be a list of tables ([[policy]])"),
        ('[policy]\nname = "p"', "'policy' must be a list of tables ([[policy]])"),
        ('[location]\nname = "x"', "'location' must be a list of tables ([[location]])"),
        ('[[location]]\nnetworks = ["192.0.2.0/24"]', "location '?': a 'name' is needed"),
        ('[[location]]\nname = "x"\nnetworks = "192.0.2.0/24"', "'networks' must be a list of strings"),
        ('[[location]]\nname = "x"\nnetworks = []\ntrusted = "yes"', "'trusted' must be true or false"),
        ('[[policy]]\nthen = { require = ["mfa"] }', "policy '?': a 'name' is needed"),
        ('[[policy]]\nname = ""\nthen = { require = ["mfa"] }', "policy '': a 'name' is needed"),
        ('[[policy]]\nname = 3\nthen = { require = ["mfa"] }', "policy 3: a 'name' is needed"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(text: str, problem: str) -> None:
    (found,) = problems(text)
    assert found.endswith(problem)


@pytest.mark.parametrize("days", ["-1", "31", "1.5", '"14"', "true", "[14]"])
def test_any_other_number_of_days_is_refused(days: str) -> None:
    """F081."""
    text = one_policy(f'require = ["registration"], skip_days = {days}')
    assert problems(text) == ("policy 'p': 'skip_days' must be a whole number from 0 to 30",)


@pytest.mark.parametrize("network", ["office", "192.0.2.1/24", "192.0.2.0/33", "2001:db8::1/32", "192.0.2"])
def test_what_is_no_network_is_refused(network: str) -> None:
    """F055: bits beyond the mask are a typing error, not a wish."""
    (problem,) = problems(f'[[location]]\nname = "x"\nnetworks = ["{network}"]')
    assert problem.startswith(f"location 'x': '{network}' is not a network: ")


def test_a_problem_with_the_policies_is_not_blamed_on_a_location() -> None:
    (problem,) = problems('policy = 3\n[[location]]\nname = "office"\nnetworks = ["192.0.2.0/24"]')
    assert problem == "'policy' must be a list of tables ([[policy]])"


def test_a_policy_cannot_name_a_location_that_does_not_exist() -> None:
    """F056: neither to include nor to exclude it."""
    found = problems(one_policy(when='locations = ["ofice"], exclude_locations = ["home"]'))
    assert found == (
        "policy 'p': no location is called 'home'",
        "policy 'p': no location is called 'ofice'",
    )


def test_two_policies_or_two_locations_cannot_share_a_name() -> None:
    location = '[[location]]\nname = "x"\nnetworks = ["192.0.2.0/24"]\n'
    assert problems(one_policy() + one_policy()) == ("two entries of kind policy are called 'p'",)
    assert problems(location * 3) == ("two entries of kind location are called 'x'",)
    assert from_file(location.replace('"x"', '"p"') + one_policy()).policies[0].name == "p"


def test_everything_that_is_wrong_is_said_at_once() -> None:
    """F047: nobody has to apply a file five times to see five mistakes; each names its place."""
    found = problems("""
        [surprise]
        [[location]]
        name = "office"
        networks = ["nowhere"]
        trusted = 1
        [[policy]]
        name = "first"
        state = "yes"
        when = { user_risk = ["worst"], elsewhere = ["x"] }
        then = { require = ["block", "mfa"] }
        [[policy]]
        name = "second"
        when = { locations = ["moon"] }
        then = { require = ["password_change"] }
        [[policy]]
        name = "second"
        then = { require = ["mfa"] }
    """)
    assert [text.split(":")[0] for text in found] == [
        "unknown table 'surprise'",
        "location 'office'",
        "location 'office'",
        *["policy 'first'"] * 4,
        *["policy 'second'"] * 3,
        "two entries of kind policy are called 'second'",
        "policy 'second'",
    ]
    assert len(set(found)) == len(found)
    with pytest.raises(PolicyError, match="unknown table 'surprise'; policy 'second': no location"):
        from_file(
            '[surprise]\n[[policy]]\nname = "second"\n'
            'when = { locations = ["moon"] }\nthen = { require = ["mfa"] }'
        )


def test_the_problems_come_in_the_same_order_each_time() -> None:
    """The words of a set have no order of their own: a report that changes by itself cannot be compared."""
    words = [f"w{number}" for number in range(9)]
    document: dict[str, Any] = {word: {} for word in reversed(words)}
    document["policy"] = [{"name": "p", "then": {"require": ["mfa", *reversed(words)]}}]
    with pytest.raises(PolicyError) as error:
        parse_policies(document)
    assert error.value.problems == (
        *(f"unknown table '{word}'" for word in words),
        *(f"policy 'p': 'require' has no choice '{word}'" for word in words),
    )


# Warnings


@pytest.mark.parametrize("key", ["user_risk", "sign_in_risk"])
@pytest.mark.parametrize(
    ("levels", "without"),
    [
        (["medium"], ["medium without high"]),
        (["low", "medium"], ["medium without high"]),
        (["low"], ["low without medium"]),
        (["low", "high"], ["low without medium"]),
        (["none", "low"], ["low without medium"]),
        (["medium", "high"], []),
        (["high"], []),
        (["low", "medium", "high"], []),
        ([], []),
    ],
)
def test_choosing_a_level_without_the_worse_one_warns(
    key: str, levels: list[str], without: list[str]
) -> None:
    """F041: the set is explicit, so medium does not mean *medium and above*; the file is still accepted."""
    warnings = from_file(one_policy(when=f"{key} = {levels}")).warnings
    assert list(warnings) == [
        f"policy 'p': {key} names {gap}: the worse case is let through" for gap in without
    ]


def test_a_level_means_itself_only() -> None:
    """F041."""
    (found,) = from_file(one_policy(when='user_risk = ["medium"]')).policies
    assert found.user_risk == {MEDIUM}
    assert NONE not in found.user_risk


# Locations


def test_an_address_lies_in_the_locations_that_hold_it() -> None:
    """F055: IPv4 and IPv6; what is no address lies nowhere."""
    found = from_file(EVERYTHING)
    assert found.locations_of("192.0.2.77") == {"office"}
    assert found.locations_of("2001:db8::1") == {"office"}
    assert found.locations_of("198.51.100.1") == {"branch"}
    assert found.locations_of("198.51.100.200") == frozenset()
    for nowhere in (None, "", "nonsense", "192.0.2.0/24"):
        assert found.locations_of(nowhere) == frozenset()
        assert found.trusted_location(nowhere) is None


def test_only_a_trusted_location_is_trusted() -> None:
    """F023."""
    found = from_file(EVERYTHING)
    assert found.trusted_location("192.0.2.77") == "office"
    assert found.trusted_location("198.51.100.1") is None


def test_an_address_can_lie_in_several_locations() -> None:
    inner = Location("inner", (ip_network("192.0.2.0/28"),), trusted=True)
    outer = Location("outer", (ip_network("192.0.0.0/16"),))
    found = in_force(locations=(outer, inner))
    assert found.locations_of("192.0.2.3") == {"inner", "outer"}
    assert found.trusted_location("192.0.2.3") == "inner"


# Anything at all

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["mfa", "on", "high"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "state", "who", "users", "clients", "when", "then", "require", "user_risk"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["policy", "location", "other"]), values, max_size=3))
def test_whatever_is_in_a_file_is_read_or_refused_with_its_problems(document: dict[str, Any]) -> None:
    """I3: a policy file never ends in anything but policies or problems."""
    try:
        parse_policies(document)
    except PolicyError as error:
        assert error.problems


def test_the_demonstration_applies_what_the_specification_ships() -> None:
    """F062: user risk, sign-in risk, registration; without a warning."""
    from importlib.resources import files

    text = files("idprotect.demo").joinpath("policies.toml").read_text()
    found = parse_policies(tomllib.loads(text))
    assert [policy.controls for policy in found.policies] == [
        {Control.MFA, Control.PASSWORD_CHANGE},
        {Control.MFA},
        {Control.REGISTRATION},
    ]
    assert found.warnings == ()


# Locations, session controls, break-glass accounts, tests


def test_a_location_can_be_made_of_countries() -> None:
    """F055: an unknown country is a choice of its own."""
    found = from_file(
        '[[location]]\nname = "nearby"\ncountries = ["CH", "unknown"]\nnetworks = ["192.0.2.0/24"]\n'
    )
    assert found.locations_of("203.0.113.1", "CH") == {"nearby"}
    assert found.locations_of("203.0.113.1", None) == {"nearby"}
    assert found.locations_of(None, None) == {"nearby"}
    assert found.locations_of("203.0.113.1", "DE") == frozenset()
    assert found.locations_of("192.0.2.7", "DE") == {"nearby"}


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("every_time", timedelta(minutes=5)),
        ("1m", timedelta(minutes=5)),
        ("4h", timedelta(hours=4)),
        ("7d", timedelta(days=7)),
    ],
)
def test_a_sign_in_frequency_is_a_time_that_leaves_room_for_the_pages(text: str, length: timedelta) -> None:
    """F060: with five minutes of tolerance."""
    (found,) = from_file(one_policy(f'sign_in_frequency = "{text}"')).policies
    assert (found.sign_in_frequency, found.controls) == (length, frozenset())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (one_policy('sign_in_frequency = "0h"'), "'sign_in_frequency' must be"),
        (one_policy("sign_in_frequency = 5"), "'sign_in_frequency' must be"),
        (one_policy('require = ["block"], sign_in_frequency = "1h"'), "block cannot be combined"),
        (one_policy('require = ["mfa"], persistent_browser = "never"'), "has nothing to act on"),
        (one_policy('require = ["mfa"], strength = "strong"'), "'strength' must be one of"),
        (one_policy('require = ["block"], strength = "phishing_resistant"'), "'strength' belongs to"),
        (one_policy(when='countries = ["Chile"]'), "no choice 'Chile'"),
        (one_policy(when="registering = 1"), "'registering' must be true or false"),
        (one_policy('require = ["registration"]', "registering = true"), "of somebody who is registering"),
        (one_policy(when='platforms = ["beos"]'), "no choice 'beos'"),
        ('[[location]]\nname = "a"\ncountries = ["ch"]', "no choice 'ch'"),
        ('[[location]]\nname = "a"\ncountries = ["CH"]\ntrusted = true', "cannot be trusted"),
        ("break_glass = 1", "must be a table"),
        ('break_glass = { user = ["root"] }', "unknown key 'user'"),
        ('[[test]]\nname = "t"\nexpect = "maybe"', "'expect' must be one of allowed, blocked"),
        ('[[test]]\nname = "t"\nexpect = "allowed"\nfacts = { mood = "good" }', "facts are not valid"),
        ('[[test]]\nname = "t"\nexpect = "allowed"\nfacts = { at = 3 }', "facts are not valid"),
        (
            '[[test]]\nname = "t"\nexpect = "allowed"\nfacts = { mfa_at = "2026-01-01T12:00:00" }',
            "not valid: mfa_at",
        ),
        ('[[test]]\nname = "t"\nexpect = "allowed"\nfacts = { client_id = ["q"] }', "not valid: client_id"),
        ('[[test]]\nname = "t"\nexpect = "allowed"\nfacts = { groups = [1] }', "not valid"),
        (
            one_policy(rest='state = "on"')
            + '[[test]]\nname = "t"\nexpect = "allowed"\npolicies = { p = [1] }',
            "no outcome [1]",
        ),
        ('[[policy]]\nname = "p\\u0007"', "'name' has characters that cannot be printed"),
        (one_policy(rest='title = "\\u0007"'), "'title' has characters that cannot be printed"),
        (one_policy(when='scopes = ["\\u0000"]'), "'scopes' has characters that cannot be printed"),
        ('[[test]]\nname = "t"\nexpect = "allowed"\npolicies = { p = "allowed" }', "no policy is called 'p'"),
        (
            one_policy(rest='state = "on"')
            + '[[test]]\nname = "t"\nexpect = "allowed"\npolicies = { p = "?" }',
            "no outcome '?'",
        ),
        ('[[test]]\nname = "t"\nexpect = "allowed"\n' * 2, "two entries of kind test"),
    ],
)
def test_what_could_not_be_kept_is_refused(text: str, problem: str) -> None:
    """F060, F061: refused with a reason, never ignored."""
    assert any(problem in found for found in problems(text)), problems(text)


def test_tests_stand_with_the_policies_they_are_about() -> None:
    """D22: expected of all policies together, and of single ones."""
    text = one_policy(when='sign_in_risk = ["medium", "high"]', rest='state = "on"')
    text += '[[test]]\nname = "risky"\nfacts = { sign_in_risk = "high", registered = true }\n'
    force = from_file(text + 'expect = "notice_required"\npolicies = { p = "mfa_required" }')
    assert failed_tests(force) == []
    wrong = from_file(text + 'expect = "allowed"\npolicies = { p = "blocked" }')
    assert failed_tests(wrong) == [
        "risky: expected allowed, got notice_required",
        "risky: policy p should say blocked, but says mfa_required",
    ]


def test_break_glass_accounts_are_named_in_the_file() -> None:
    """F064."""
    assert from_file('[break_glass]\nusers = ["root"]').break_glass == {"root"}


names = st.text(max_size=6)
values = st.recursive(
    st.booleans() | st.integers(-5, 5) | names | st.lists(names, max_size=3),
    lambda inner: st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
rows = st.lists(st.dictionaries(names, values, max_size=4), max_size=3)
documents = st.dictionaries(names, rows.filter(bool) | st.dictionaries(names, values, max_size=3), max_size=4)


@given(documents)
def test_an_exported_document_is_read_back_as_it_was(document: dict[str, Any]) -> None:
    """F063, C074: whatever names and values it has."""
    assert tomllib.loads(to_toml(document)) == document


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            one_policy('require = ["risk_remediation"]', 'user_risk = ["high"]'),
            "risk remediation needs mfa as well",
        ),
        (one_policy('require = ["mfa", "risk_remediation"]'), "risk remediation needs a user risk condition"),
        (
            one_policy('require = ["mfa", "risk_remediation"]', 'user_risk = ["high"], known_device = true'),
            "risk remediation allows no condition but user risk",
        ),
        (
            one_policy('require = ["mfa", "password_change", "risk_remediation"]', 'user_risk = ["high"]'),
            "require one of the two",
        ),
    ],
)
def test_risk_remediation_keeps_the_rules_of_a_password_change(text: str, problem: str) -> None:
    """F045, F047, C067."""
    assert any(problem in found for found in problems(text)), problems(text)
