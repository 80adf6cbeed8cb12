"""What an administrator demands: policies, their conditions and grant controls, and how a file becomes them."""

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from idprotect.errors import PolicyError
from idprotect.risk.levels import RiskLevel

MAX_SKIP_DAYS = 30


class PolicyState(StrEnum):
    """Whether a policy is enforced, only recorded, or not looked at."""

    OFF = "off"
    REPORT_ONLY = "report_only"
    ON = "on"


class Control(StrEnum):
    """What a policy can demand before access."""

    BLOCK = "block"
    MFA = "mfa"
    PASSWORD_CHANGE = "password_change"  # noqa: S105 (a word, not a secret)
    REGISTRATION = "registration"


class Unregistered(StrEnum):
    """What happens in a risky sign-in to a user who has no second factor. A compromised one is always blocked."""

    BLOCK = "block"
    REGISTER = "register"


@dataclass(frozen=True, slots=True)
class Selection:
    """Users, groups and roles, or clients: nothing included means everybody; an exclusion wins."""

    include: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()

    def selects(self, names: frozenset[str]) -> bool:
        """Whether something called by any of *names* is meant."""
        return not (names & self.exclude) and (not self.include or bool(names & self.include))


@dataclass(frozen=True, slots=True)
class Policy:
    """Who, for which clients, under which conditions, must do what.

    ``who`` holds names like ``user:alice``, ``group:staff``, ``role:administrator``. An empty condition means
    *any*. Conditions are ANDed.

    :param skip_days: for registration: days from the first prompt during which it can be put off, 0 to 30.
    """

    name: str
    state: PolicyState
    controls: frozenset[Control]
    title: str = ""
    who: Selection = Selection()
    clients: Selection = Selection()
    user_risk: frozenset[RiskLevel] = frozenset()
    sign_in_risk: frozenset[RiskLevel] = frozenset()
    locations: Selection = Selection()
    countries: Selection = Selection()
    platforms: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    known_device: bool | None = None
    unregistered: Unregistered = Unregistered.BLOCK
    skip_days: int = 0


@dataclass(frozen=True, slots=True)
class Location:
    """A named network location.

    :param trusted: lowers sign-in risk; never switches evaluation off.
    """

    name: str
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]
    trusted: bool = False

    def holds(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether *address* lies in one of the networks."""
        return any(address.version == network.version and address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies that are in force together, in one version.

    :param emergency: every policy that is on counts as report-only.
    """

    version: int
    policies: tuple[Policy, ...] = ()
    locations: tuple[Location, ...] = ()
    warnings: tuple[str, ...] = ()
    emergency: bool = False

    def locations_of(self, ip_address: str | None) -> frozenset[str]:
        """Return the names of the locations that hold the address."""
        return frozenset(location.name for location in self._holding(ip_address))

    def trusted_location(self, ip_address: str | None) -> str | None:
        """Return the name of a trusted location that holds the address."""
        return next((location.name for location in self._holding(ip_address) if location.trusted), None)

    def _holding(self, ip_address: str | None) -> list[Location]:
        if not self.locations or ip_address is None:
            return []
        try:
            address = ipaddress.ip_address(ip_address)
        except ValueError:
            return []
        return [location for location in self.locations if location.holds(address)]


def parse_policies(document: Mapping[str, Any], version: int = 0, *, emergency: bool = False) -> PolicySet:
    """Read a policy document (a parsed TOML file: tables ``policy`` and ``location``).

    :raises PolicyError: with every problem found, each naming the policy.
    """
    reader = _Reader()
    for unknown in sorted(document.keys() - {"policy", "location"}):
        reader.problem(f"unknown table {unknown!r}")
    location_rows, policy_rows = reader.tables(document, "location"), reader.tables(document, "policy")
    locations = tuple(reader.location(row) for row in location_rows)
    policies = tuple(reader.policy(row) for row in policy_rows)
    reader.check_names(policies, locations)
    if reader.problems:
        raise PolicyError(reader.problems)
    return PolicySet(version, policies, locations, tuple(reader.warnings), emergency)


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
    }
)
_THEN_KEYS = frozenset({"require", "unregistered", "skip_days"})


@dataclass
class _Reader:
    """Reads tables and collects problems instead of stopping at the first."""

    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    where: str = ""

    def problem(self, text: str) -> None:
        self.problems.append(f"{self.where}: {text}" if self.where else text)

    def tables(self, document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
        rows = document.get(name, [])
        if isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows):
            return rows
        self.problem(f"{name!r} must be a list of tables ([[{name}]])")
        return []

    def strings(self, table: Mapping[str, Any], key: str) -> frozenset[str]:
        value = table.get(key, [])
        if isinstance(value, list) and all(isinstance(item, str) and item for item in value):
            return frozenset(value)
        self.problem(f"{key!r} must be a list of strings")
        return frozenset()

    def choices(self, table: Mapping[str, Any], key: str, parse: Callable[[str], Any]) -> frozenset[Any]:
        found = set()
        for text in sorted(self.strings(table, key)):
            try:
                found.add(parse(text))
            except ValueError:
                self.problem(f"{key!r} has no choice {text!r}")
        return frozenset(found)

    def choice(self, table: Mapping[str, Any], key: str, default: Any) -> Any:
        kind: type[StrEnum] = type(default)
        try:
            return kind(table.get(key, default))
        except ValueError:
            self.problem(f"{key!r} must be one of {', '.join(kind)}")
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
        self.where = f"location {row.get('name', '?')!r}"
        for unknown in sorted(row.keys() - {"name", "networks", "trusted"}):
            self.problem(f"unknown key {unknown!r}")
        networks = []
        for text in sorted(self.strings(row, "networks")):
            try:
                networks.append(ipaddress.ip_network(text))
            except ValueError as error:
                self.problem(f"{text!r} is not a network: {error}")
        if not isinstance(row.get("trusted", False), bool):
            self.problem("'trusted' must be true or false")
        return Location(self.name(row), tuple(networks), row.get("trusted", False) is True)

    def name(self, row: Mapping[str, Any]) -> str:
        name = row.get("name")
        if isinstance(name, str) and name:
            return name
        self.problem("a 'name' is needed")
        return "?"

    def policy(self, row: Mapping[str, Any]) -> Policy:
        self.where = f"policy {row.get('name', '?')!r}"
        for unknown in sorted(row.keys() - _POLICY_KEYS):
            self.problem(f"unknown key {unknown!r}")
        when = self.sub_table(row, "when", _WHEN_KEYS)
        then = self.sub_table(row, "then", _THEN_KEYS)
        clients = self.sub_table(row, "clients", frozenset({"include", "exclude"}))
        known_device = when.get("known_device")
        if known_device is not None and not isinstance(known_device, bool):
            self.problem("'known_device' must be true or false")
        policy = Policy(
            name=self.name(row),
            title=str(row.get("title", "")),
            state=self.choice(row, "state", PolicyState.REPORT_ONLY),
            who=self.who(row),
            clients=Selection(self.strings(clients, "include"), self.strings(clients, "exclude")),
            user_risk=self.levels(when, "user_risk"),
            sign_in_risk=self.levels(when, "sign_in_risk"),
            locations=Selection(self.strings(when, "locations"), self.strings(when, "exclude_locations")),
            countries=Selection(self.strings(when, "countries"), self.strings(when, "exclude_countries")),
            platforms=self.strings(when, "platforms"),
            scopes=self.strings(when, "scopes"),
            known_device=known_device if isinstance(known_device, bool) else None,
            controls=self.choices(then, "require", Control),
            unregistered=self.choice(then, "unregistered", Unregistered.BLOCK),
            skip_days=self.skip_days(then),
        )
        for broken_rule in validity_problems(policy):
            self.problem(broken_rule)
        if "unregistered" in then and not policy.sign_in_risk:
            self.problem("'unregistered' belongs to a policy with a sign-in risk condition")
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
            self.problem(f"'skip_days' must be a whole number from 0 to {MAX_SKIP_DAYS}")
            return 0
        return days

    def check_names(self, policies: tuple[Policy, ...], locations: tuple[Location, ...]) -> None:
        self.where = ""
        for kind, names in (
            ("policy", [p.name for p in policies]),
            ("location", [x.name for x in locations]),
        ):
            for name in sorted({name for name in names if names.count(name) > 1}):
                self.problem(f"two entries of kind {kind} are called {name!r}")
        known = {location.name for location in locations}
        for policy in policies:
            for name in sorted((policy.locations.include | policy.locations.exclude) - known):
                self.problem(f"policy {policy.name!r}: no location is called {name!r}")


def validity_problems(policy: Policy) -> list[str]:
    """Return the rules that the combination of controls and conditions breaks."""
    controls, problems = policy.controls, []
    if not controls:
        problems.append("'then.require' must name at least one of " + ", ".join(Control))
    if Control.BLOCK in controls and len(controls) > 1:
        problems.append("block cannot be combined with another control")
    if Control.REGISTRATION in controls and len(controls) > 1:
        problems.append("registration cannot be combined with another control")
    if policy.skip_days and Control.REGISTRATION not in controls:
        problems.append("'skip_days' belongs to a policy that requires registration")
    if Control.PASSWORD_CHANGE in controls:
        problems += _password_change_problems(policy)
    return problems


def _password_change_problems(policy: Policy) -> list[str]:
    problems = []
    if Control.MFA not in policy.controls:
        problems.append("a password change needs mfa as well: whoever has the password could change it")
    if not policy.user_risk:
        problems.append("a password change needs a user risk condition: it is the cure of a compromised user")
    if RiskLevel.NONE in policy.user_risk:
        problems.append("a password change cannot be asked of a user without risk: there is nothing to cure")
    if policy.clients != Selection():
        problems.append("a password change must hold for all clients")
    others = (policy.sign_in_risk, policy.platforms, policy.scopes)
    selections = (policy.locations, policy.countries)
    if any(others) or any(s != Selection() for s in selections) or policy.known_device is not None:
        problems.append("a password change allows no condition but user risk")
    return problems
