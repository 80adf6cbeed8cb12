"""How a policy document (a parsed TOML file) becomes policies, or a list of everything that is wrong with it."""

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from idprotect.conditional_access.expressions import Expression, Kind
from idprotect.conditional_access.policy import (
    OURS,
    Control,
    Location,
    Policy,
    PolicySet,
    PolicyState,
    PolicyTest,
    Selection,
    Strength,
    Unregistered,
    validity_problems,
)
from idprotect.conditional_access.policy_tests import example_problems
from idprotect.errors import PolicyError, Problem
from idprotect.risk.levels import RiskLevel

MAX_SKIP_DAYS = 30
#: "Every time" leaves the person this long to get through all the pages.
EVERY_TIME = timedelta(minutes=5)


def parse_policies(document: Mapping[str, Any], version: int = 0, *, emergency: bool = False) -> PolicySet:
    """Read a policy document: a parsed TOML file with the tables ``policy``, ``location``, ``test``, ``break_glass``.

    :raises PolicyError: with every problem found, each naming the policy.
    """
    reader = _Reader()
    for unknown in sorted(document.keys() - TABLES):
        reader.problem(f"unknown table {unknown!r}")
    location_rows, policy_rows = reader.tables(document, "location"), reader.tables(document, "policy")
    test_rows = reader.tables(document, "test")
    break_glass = reader.strings(reader.sub_table(document, "break_glass", frozenset({"users"})), "users")
    locations = tuple(reader.location(row) for row in location_rows)
    policies = tuple(reader.policy(row) for row in policy_rows)
    tests = tuple(reader.test(row) for row in test_rows)
    reader.check_names(policies, locations, tests)
    if reader.problems:
        raise PolicyError(reader.problems)
    return PolicySet(version, policies, locations, tuple(reader.warnings), emergency, break_glass, tests)


def parse_tests(document: Mapping[str, Any]) -> tuple[PolicyTest, ...]:
    """Read the tests of a document that may have no policies.

    :raises PolicyError: with every problem found, each naming the test.
    """
    reader = _Reader()
    tests = tuple(reader.test(row) for row in reader.tables(document, "test"))
    if reader.problems:
        raise PolicyError(reader.problems)
    return tests


TABLES = frozenset({"policy", "location", "test", "break_glass"})
WHO_KEYS: Mapping[str, str] = {"users": "user", "groups": "group", "roles": "role"}
_POLICY_KEYS = frozenset({"name", "title", "state", "who", "clients", "when", "then"})
_WHEN_KEYS = frozenset(
    {
        "user_risk",
        "sign_in_risk",
        "locations",
        "exclude_locations",
        "countries",
        "exclude_countries",
        "platforms",
        "scopes",
        "known_device",
        "registering",
        "expression",
    }
)
_THEN_KEYS = frozenset(
    {
        "require",
        "strength",
        "unregistered",
        "skip_days",
        "sign_in_frequency",
        "terms_of_use",
        "persistent_browser",
    }
)
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass
class _Reader:
    """Reads tables and collects problems instead of stopping at the first."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    where: str = ""

    def problem(self, text: str, key: str = "") -> None:
        self.problems.append(Problem(text, self.where, key))

    def tables(self, document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        rows = document.get(name, [])
        if isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows):
            return rows
        self.problem(f"{name!r} must be a list of tables ([[{name}]])")
        return []

    def printable(self, texts: Iterable[str], key: str) -> None:
        """Refuse what can be neither shown nor, on PostgreSQL, stored: control characters, half characters."""
        if not all(text.isprintable() for text in texts):
            self.problem(f"{key!r} has characters that cannot be printed", key)

    def strings(self, table: Mapping[str, Any], key: str) -> frozenset[str]:
        value = table.get(key, [])
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
            self.printable(value, key)
            return frozenset(value)
        self.problem(f"{key!r} must be a list of strings", key)
        return frozenset()

    def choices(self, table: Mapping[str, Any], key: str, parse: Callable[[str], Any]) -> frozenset[Any]:
        found = set()
        for text in sorted(self.strings(table, key)):
            try:
                found.add(parse(text))
            except ValueError:
                self.problem(f"{key!r} has no choice {text!r}", key)
        return frozenset(found)

    def choice(self, table: Mapping[str, Any], key: str, default: Any) -> Any:
        kind: type[StrEnum] = type(default)
        try:
            return kind(table.get(key, default))
        except ValueError:
            self.problem(f"{key!r} must be one of {', '.join(kind)}", key)
            return default

    def sub_table(self, row: Mapping[str, Any], key: str, known: frozenset[str]) -> Mapping[str, Any]:
        table = row.get(key, {})
        if not isinstance(table, Mapping):
            self.problem(f"{key!r} must be a table")
            return {}
        for unknown in sorted(table.keys() - known):
            self.problem(f"unknown key {unknown!r} in {key!r}")
        return table

    def location(self, row: Mapping[str, Any]) -> Location:
        self.where = place("location", row.get("name", "?"))
        for unknown in sorted(row.keys() - {"name", "networks", "countries", "trusted"}):
            self.problem(f"unknown key {unknown!r}")
        networks = []
        for text in sorted(self.strings(row, "networks")):
            if problem := network_problem(text):
                self.problem(problem, "networks")
            else:
                networks.append(ipaddress.ip_network(text))
        if not isinstance(row.get("trusted", False), bool):
            self.problem("'trusted' must be true or false", "trusted")
        countries = self.countries(row, "countries")
        if countries and row.get("trusted"):
            self.problem(
                "a location of countries cannot be trusted: it is too large, and only guessed from addresses",
                "trusted",
            )
        return Location(self.name(row), tuple(networks), row.get("trusted", False) is True, countries)

    def test(self, row: Mapping[str, Any]) -> PolicyTest:
        self.where = place("test", row.get("name", "?"))
        for unknown in sorted(row.keys() - {"name", "facts", "expect", "policies"}):
            self.problem(f"unknown key {unknown!r}")
        facts, policies = row.get("facts", {}), row.get("policies", {})
        if not isinstance(facts, Mapping) or not isinstance(policies, Mapping):
            self.problem("'facts' and 'policies' must be tables")
            facts, policies = {}, {}
        test = PolicyTest(self.name(row), str(row.get("expect", "")), facts, policies)
        for problem in example_problems(test):
            self.problem(problem)
        return test

    def countries(self, table: Mapping[str, Any], key: str) -> frozenset[str]:
        return self.choices(table, key, Kind.COUNTRY.read)

    def name(self, row: Mapping[str, Any]) -> str:
        name = row.get("name")
        if isinstance(name, str) and name:
            self.printable([name], "name")
            return name
        self.problem("a 'name' is needed", "name")
        return "?"

    def title(self, row: Mapping[str, Any]) -> str:
        title = str(row.get("title", ""))
        self.printable([title], "title")
        return title

    def policy(self, row: Mapping[str, Any]) -> Policy:
        self.where = place("policy", row.get("name", "?"))
        for unknown in sorted(row.keys() - _POLICY_KEYS):
            self.problem(f"unknown key {unknown!r}")
        when = self.sub_table(row, "when", _WHEN_KEYS)
        then = self.sub_table(row, "then", _THEN_KEYS)
        clients = self.sub_table(row, "clients", frozenset({"include", "exclude"}))
        known_device = self.truth(when, "known_device")
        policy = Policy(
            name=self.name(row),
            title=self.title(row),
            state=self.choice(row, "state", PolicyState.REPORT_ONLY),
            who=self.who(row),
            clients=Selection(self.strings(clients, "include"), self.strings(clients, "exclude")),
            user_risk=self.levels(when, "user_risk"),
            sign_in_risk=self.levels(when, "sign_in_risk"),
            locations=Selection(self.strings(when, "locations"), self.strings(when, "exclude_locations")),
            countries=Selection(self.countries(when, "countries"), self.countries(when, "exclude_countries")),
            platforms=self.choices(when, "platforms", Kind.PLATFORM.read),
            scopes=self.strings(when, "scopes"),
            known_device=known_device,
            registering=self.truth(when, "registering") is True,
            expression=self.expression(when),
            controls=self.choices(then, "require", Control),
            strength=self.strength(then),
            unregistered=self.choice(then, "unregistered", Unregistered.BLOCK),
            skip_days=self.skip_days(then),
            sign_in_frequency=self.sign_in_frequency(then),
            terms_of_use=self.strings(then, "terms_of_use"),
        )
        for rule in validity_problems(policy):
            self.problem(rule.bare, rule.key)
        if "persistent_browser" in then:
            self.problem("'persistent_browser' has nothing to act on: a sign-in ends with the browser anyway")
        if "unregistered" in then and not policy.is_about_sign_in_risk:
            self.problem("'unregistered' belongs to a policy with a sign-in risk condition", "unregistered")
        return policy

    def who(self, row: Mapping[str, Any]) -> Selection:
        table = self.sub_table(row, "who", frozenset(WHO_KEYS) | {f"exclude_{key}" for key in WHO_KEYS})
        include = {f"{kind}:{name}" for key, kind in WHO_KEYS.items() for name in self.strings(table, key)}
        exclude = {
            f"{kind}:{name}"
            for key, kind in WHO_KEYS.items()
            for name in self.strings(table, f"exclude_{key}")
        }
        return Selection(frozenset(include), frozenset(exclude))

    def levels(self, when: Mapping[str, Any], key: str) -> frozenset[RiskLevel]:
        levels = self.choices(when, key, RiskLevel.parse)
        for level in (RiskLevel.LOW, RiskLevel.MEDIUM):
            above = RiskLevel(level + 1)
            if level in levels and above not in levels:
                self.warnings.append(
                    f"{self.where}: {key} names {level.label} without {above.label}: the worse case is let through"
                )
        return levels

    def skip_days(self, then: Mapping[str, Any]) -> int:
        days = then.get("skip_days", 0)
        if isinstance(days, bool) or not isinstance(days, int) or not 0 <= days <= MAX_SKIP_DAYS:
            self.problem(f"'skip_days' must be a whole number from 0 to {MAX_SKIP_DAYS}", "skip_days")
            return 0
        return days

    def truth(self, table: Mapping[str, Any], key: str) -> bool | None:
        value = table.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.problem(f"{key!r} must be true or false", key)
        return None

    def expression(self, when: Mapping[str, Any]) -> Expression | None:
        text = when.get("expression")
        if text is None:
            return None
        if not isinstance(text, str):
            self.problem("'expression' must be text", "expression")
            return None
        try:
            return Expression.parse(text)
        except PolicyError as error:
            for problem in error.problems:
                self.problem(problem, "expression")
            return None

    def strength(self, then: Mapping[str, Any]) -> Strength | None:
        return self.choice(then, "strength", Strength.PHISHING_RESISTANT) if "strength" in then else None

    def sign_in_frequency(self, then: Mapping[str, Any]) -> timedelta | None:
        text = then.get("sign_in_frequency")
        if text is None:
            return None
        if text == "every_time":
            return EVERY_TIME
        match = re.fullmatch(r"([1-9]\d{0,3})([mhd])", text) if isinstance(text, str) else None
        if match is None:
            self.problem(
                '\'sign_in_frequency\' must be "every_time", or minutes, hours or days like "30m"',
                "sign_in_frequency",
            )
            return None
        # Below what "every time" leaves, nobody would ever get through.
        return max(EVERY_TIME, timedelta(**{_UNITS[match[2]]: int(match[1])}))

    def check_names(
        self, policies: tuple[Policy, ...], locations: tuple[Location, ...], tests: tuple[PolicyTest, ...]
    ) -> None:
        self.where = ""
        for kind, names in (
            ("policy", [p.name for p in policies]),
            ("location", [x.name for x in locations]),
            ("test", [x.name for x in tests]),
        ):
            for name in sorted({name for name in names if names.count(name) > 1}):
                self.problem(f"two entries of kind {kind} are called {name!r}", "name")
        known = {location.name for location in locations}
        for policy in policies:
            self.where = place("policy", policy.name)
            if policy.name in (ours.name for ours in OURS):
                self.problem(f"{policy.name!r} is the name of a policy of our own", "name")
            for name in sorted((policy.locations.include | policy.locations.exclude) - known):
                self.problem(f"no location is called {name!r}", "locations")
            for name in sorted(policy.expression_words("locations") - known):
                self.problem(f"no location is called {name!r}", "expression")
        called = {policy.name for policy in policies}
        for test in tests:
            self.where = place("test", test.name)
            for name in sorted(test.policies.keys() - called):
                self.problem(f"no policy is called {name!r}", "policies")


def network_problem(text: str) -> str | None:
    """Return why a text is no network in CIDR notation (RFC 4632, RFC 4291), None when it is one."""
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        return f"{text!r} is not a network: {error}"
    return None


def place(kind: str, name: object) -> str:
    """Return how a problem names the entry that it is in."""
    return f"{kind} {name!r}"
