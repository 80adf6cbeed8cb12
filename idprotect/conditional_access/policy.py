"""What an administrator demands: policies, their conditions and controls, and the rules a policy has to keep."""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from idprotect.risk.levels import RiskLevel


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
