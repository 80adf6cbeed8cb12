"""What an administrator demands: policies, their conditions and controls, and the rules a policy has to keep."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from idprotect.conditional_access.expressions import Expression
from idprotect.conditional_access.facts import UNKNOWN
from idprotect.errors import Problem
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
    RISK_REMEDIATION = "risk_remediation"
    REGISTRATION = "registration"


class Strength(StrEnum):
    """How good the second factor has to be."""

    PHISHING_RESISTANT = "phishing_resistant"

    @property
    def proofs(self) -> frozenset[str]:
        """The values of ``amr`` (RFC 8176) of which one has to be there: a key in hardware or in software."""
        return frozenset({"hwk", "swk"})

    @property
    def methods(self) -> frozenset[str]:
        """The names of the methods that reach it."""
        return frozenset({"passkey"})


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

    :param registering: only about adding a second factor, on the account page or when a policy asks for one.
    :param strength: how good the second factor has to be; any is good enough when it is None.
    :param skip_days: for registration: days from the first prompt during which it can be put off, 0 to 30.
    :param sign_in_frequency: how long ago the person may have proved who they are; None: as long as sessions last.
    :param terms_of_use: names of terms of use that have to be accepted.
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
    registering: bool = False
    expression: Expression | None = None
    strength: Strength | None = None
    unregistered: Unregistered = Unregistered.BLOCK
    skip_days: int = 0
    sign_in_frequency: timedelta | None = None
    terms_of_use: frozenset[str] = frozenset()

    @property
    def is_about_terms_alone(self) -> bool:
        """Whether it demands nothing that proves who somebody is, and stops nobody."""
        return bool(self.terms_of_use) and not self.controls and self.sign_in_frequency is None

    @property
    def is_about_user_risk(self) -> bool:
        """Whether a condition of it names the risk of the user."""
        return bool(self.user_risk) or self.expression_names("user_risk")

    @property
    def is_about_sign_in_risk(self) -> bool:
        """Whether a condition of it names the risk of the sign-in."""
        return bool(self.sign_in_risk) or self.expression_names("sign_in_risk", "session_risk")

    def expression_names(self, *facts: str) -> bool:
        """Whether its expression names one of some facts."""
        return self.expression is not None and not self.expression.facts.isdisjoint(facts)

    def expression_words(self, fact: str) -> frozenset[str]:
        """Return the texts with which its expression compares a fact."""
        return self.expression.words(fact) if self.expression is not None else frozenset()

    @property
    def blocks_everyone(self) -> bool:
        """Whether it stops every person in every application, whatever the circumstances."""
        some = self.who.include or self.clients != Selection() or _conditions(self)
        return Control.BLOCK in self.controls and not some


#: Demanded of whoever enters the administrator's console. Nobody can turn it off, and no emergency does.
CONSOLE = Policy("(console)", PolicyState.ON, frozenset({Control.MFA}), "The console demands a second factor")

#: Demanded where a session's cookie turned up elsewhere and no policy in force asks for a second factor because of it.
SESSION = Policy(
    "(session)",
    PolicyState.ON,
    frozenset(),
    "A session that turns up elsewhere at risk signs in again",
    sign_in_risk=frozenset({RiskLevel.MEDIUM, RiskLevel.HIGH}),
)

#: Demanded of whoever asks for a page of a host application that takes nobody with less.
PAGE_MFA = Policy("(page)", PolicyState.ON, frozenset({Control.MFA}), "The page demands a second factor")


def _page_risk(limit: RiskLevel) -> tuple[Policy, Policy]:
    """Return what a page demands that takes nobody at this level or above."""
    levels = frozenset(level for level in RiskLevel if level >= limit)
    cure = frozenset({Control.MFA, Control.RISK_REMEDIATION})
    about = f"The page takes nobody at {limit.label} risk"
    return (
        Policy(f"(page: user risk below {limit.label})", PolicyState.ON, cure, about, user_risk=levels),
        Policy(
            f"(page: sign-in risk below {limit.label})",
            PolicyState.ON,
            frozenset({Control.MFA}),
            about,
            sign_in_risk=levels,
        ),
    )


#: The level that a page of a host application does not take any more, and what cures it there.
PAGE_RISK = {limit: _page_risk(limit) for limit in RiskLevel if limit}

#: Demanded by code, so an emergency of the administrators' policies turns none of them off.
DEMANDED = (CONSOLE, PAGE_MFA, *(policy for pair in PAGE_RISK.values() for policy in pair))
#: Policies of our own: looked at where they are due, whatever an administrator has put into force.
OURS = (*DEMANDED, SESSION)


@dataclass(frozen=True, slots=True)
class Location:
    """A named location: networks, or countries.

    :param trusted: lowers sign-in risk; never switches evaluation off.
    :param countries: two-letter codes, and ``unknown``.
    """

    name: str
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    trusted: bool = False
    countries: frozenset[str] = frozenset()

    def holds(
        self, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None, country: str | None = None
    ) -> bool:
        """Whether an address in a country lies in it."""
        if (country or UNKNOWN) in self.countries:
            return True
        return address is not None and any(
            address.version == network.version and address in network for network in self.networks
        )


@dataclass(frozen=True, slots=True)
class PolicyTest:
    """An example sign-in, and what has to come of it.

    :param facts: those that matter; the others are harmless.
    :param expect: the outcome of all policies together.
    :param policies: what single policies have to say, by name.
    """

    name: str
    expect: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    policies: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PolicySet:
    """All policies that are in force together, in one version.

    :param emergency: every policy that is on counts as report-only.
    :param break_glass: user names to which no policy applies: the way in when a policy was a mistake.
    :param tests: what has to hold before the set is put into force.
    """

    version: int
    policies: tuple[Policy, ...] = ()
    locations: tuple[Location, ...] = ()
    warnings: tuple[str, ...] = ()
    emergency: bool = False
    break_glass: frozenset[str] = frozenset()
    tests: tuple[PolicyTest, ...] = ()

    @property
    def strengths(self) -> frozenset[Strength]:
        """The strengths that a policy asks for."""
        return frozenset(policy.strength for policy in self.policies if policy.strength is not None)

    @property
    def terms_of_use(self) -> frozenset[str]:
        """The names of the terms of use that a policy asks for, whatever its state."""
        return frozenset().union(*(policy.terms_of_use for policy in self.policies))

    def locations_of(self, ip_address: str | None, country: str | None = None) -> frozenset[str]:
        """Return the names of the locations that hold an address in a country."""
        return frozenset(location.name for location in self._holding(ip_address, country))

    def trusted_location(self, ip_address: str | None) -> str | None:
        """Return the name of a trusted location that holds an address; those are never made of countries."""
        return next((location.name for location in self._holding(ip_address) if location.trusted), None)

    def _holding(self, ip_address: str | None, country: str | None = None) -> list[Location]:
        if not self.locations:
            return []
        try:
            address = ipaddress.ip_address(ip_address) if ip_address else None
        except ValueError:
            address = None
        return [location for location in self.locations if location.holds(address, country)]


def validity_problems(policy: Policy) -> list[Problem]:
    """Return the rules that the combination of controls and conditions breaks, each with the key that it is about."""
    controls = policy.controls
    rules = [
        (
            not controls and policy.sign_in_frequency is None and not policy.terms_of_use,
            "require",
            "'then.require' must name at least one of " + ", ".join(Control),
        ),
        (
            Control.BLOCK in controls
            and bool(len(controls) > 1 or policy.sign_in_frequency is not None or policy.terms_of_use),
            "require",
            "block cannot be combined with another control",
        ),
        (
            Control.REGISTRATION in controls and bool(len(controls) > 1 or policy.terms_of_use),
            "require",
            "registration cannot be combined with another control",
        ),
        (
            Control.REGISTRATION in controls and policy.registering,
            "registering",
            "registration cannot be asked of somebody who is registering",
        ),
        (
            Control.REGISTRATION in controls and policy.expression_names("registering"),
            "expression",
            "registration cannot depend on whether somebody is registering",
        ),
        (
            policy.terms_of_use and (policy.registering or policy.expression_names("registering")),
            "terms_of_use",
            "terms of use cannot be asked of somebody who is registering",
        ),
        (
            policy.skip_days and Control.REGISTRATION not in controls,
            "skip_days",
            "'skip_days' belongs to a policy that requires registration",
        ),
        (
            policy.strength is not None and Control.MFA not in controls,
            "strength",
            "'strength' belongs to a policy that requires mfa",
        ),
        (
            controls >= _CURES.keys(),
            "require",
            "risk remediation asks for a new password where that is the cure: require one of the two",
        ),
    ]
    problems = [Problem(rule, key=key) for is_broken, key, rule in rules if is_broken]
    for control, name in _CURES.items():
        if control in controls:
            problems += _cure_problems(policy, name)
    return problems


#: What cures a compromised user, and how it is called in a sentence.
_CURES: Mapping[Control, str] = {
    Control.PASSWORD_CHANGE: "a password change",
    Control.RISK_REMEDIATION: "risk remediation",
}


def _cure_problems(policy: Policy, cure: str) -> list[Problem]:
    further = _conditions(policy) - {"user_risk"} or policy.sign_in_frequency is not None
    rules = [
        (
            Control.MFA not in policy.controls,
            "require",
            "needs mfa as well: whoever has the password could do it",
        ),
        (
            not policy.user_risk,
            "user_risk",
            "needs a user risk condition: it is the cure of a compromised user",
        ),
        (
            RiskLevel.NONE in policy.user_risk,
            "user_risk",
            "cannot be asked of a user without risk: there is nothing to cure",
        ),
        (policy.clients != Selection(), "include", "must hold for all clients"),
        (further, "require", "allows no condition but user risk"),
        (
            policy.terms_of_use,
            "terms_of_use",
            "cannot be combined with terms of use: once the risk is cured, nobody would be asked for them",
        ),
    ]
    return [Problem(f"{cure} {rule}", key=key) for is_broken, key, rule in rules if is_broken]


def _conditions(policy: Policy) -> frozenset[str]:
    """Return the names of the circumstances that a policy depends on, beside who and which client."""
    circumstances = {
        "user_risk": policy.user_risk,
        "sign_in_risk": policy.sign_in_risk,
        "locations": policy.locations != Selection(),
        "countries": policy.countries != Selection(),
        "platforms": policy.platforms,
        "scopes": policy.scopes,
        "known_device": policy.known_device is not None,
        "registering": policy.registering,
        "expression": policy.expression is not None,
    }
    return frozenset(name for name, narrowed in circumstances.items() if narrowed)
