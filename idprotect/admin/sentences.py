"""A policy as a sentence: when who, where, how risky; then what. Pure."""

from collections.abc import Iterable
from datetime import timedelta

from idprotect.conditional_access import Control, Policy, Selection
from idprotect.risk import RiskLevel

_DEMANDS = {
    Control.BLOCK: "stop the sign-in",
    Control.MFA: "ask for a second factor",
    Control.PASSWORD_CHANGE: "ask for a new password",
    Control.RISK_REMEDIATION: "let the identity be restored",
    Control.REGISTRATION: "have a second factor registered",
}


def when(policy: Policy) -> str:
    """Return whom and what a policy is about."""
    parts = [_who(policy.who), *_where(policy), *_how_risky(policy)]
    if policy.registering:
        parts.append("adds a second factor")
    if policy.expression is not None:
        parts.append(f"provided that {' '.join(policy.expression.text.split())}")
    return ", ".join(parts)


def then(policy: Policy) -> str:
    """Return what it demands."""
    demands = [_demand(control, policy) for control in Control if control in policy.controls]
    if policy.sign_in_frequency is not None:
        demands.append(f"have them sign in again after {_duration(policy.sign_in_frequency)}")
    if policy.terms_of_use:
        demands.append(f"have them accept the terms {_list(sorted(policy.terms_of_use), 'and')}")
    return _list(demands, "and") or "nothing"


def _demand(control: Control, policy: Policy) -> str:
    if control is Control.MFA and policy.strength is not None:
        return f"{_DEMANDS[control]} of the strength {_words(policy.strength)}"
    if control is Control.REGISTRATION and policy.skip_days:
        return f"{_DEMANDS[control]}, which can be put off for {policy.skip_days} days"
    return _DEMANDS[control]


def _who(who: Selection) -> str:
    people = _list(map(_name, sorted(who.include)), "or") or "anybody"
    return people + _but(who)


def _where(policy: Policy) -> Iterable[str]:
    if policy.clients != Selection():
        included = _list(sorted(policy.clients.include), "or") or "any application"
        yield f"signs in to {included}{_but(policy.clients)}"
    if policy.locations != Selection():
        yield f"from {_list(sorted(policy.locations.include), 'or') or 'anywhere'}{_but(policy.locations)}"
    if policy.countries != Selection():
        included = _list(sorted(policy.countries.include), "or") or "any"
        yield f"from the country {included}{_but(policy.countries)}"
    if policy.platforms:
        yield f"on {_list(sorted(policy.platforms), 'or')} (unverified)"
    if policy.scopes:
        yield f"asking for {_list(sorted(policy.scopes), 'or')}"
    if policy.known_device is not None:
        yield f"with a {'familiar' if policy.known_device else 'new'} device"


def _how_risky(policy: Policy) -> Iterable[str]:
    if policy.user_risk:
        yield f"whose risk is {_levels(policy.user_risk)}"
    if policy.sign_in_risk:
        yield f"in a sign-in whose risk is {_levels(policy.sign_in_risk)}"


def _levels(levels: Iterable[RiskLevel]) -> str:
    return _list((level.label for level in sorted(levels)), "or")


def _but(selection: Selection) -> str:
    return f" but {_list(map(_name, sorted(selection.exclude)), 'and')}" if selection.exclude else ""


def _name(name: str) -> str:
    kind, colon, rest = name.partition(":")
    return (
        {"user": rest, "group": f"the group {rest}", "role": f"the role {rest}"}.get(kind, name)
        if colon
        else name
    )


def _list(words: Iterable[str], last: str) -> str:
    found = list(words)
    return ", ".join(found[:-1]) + f" {last} " + found[-1] if len(found) > 1 else "".join(found)


def _duration(time: timedelta) -> str:
    hours = time / timedelta(hours=1)
    return f"{hours:g} hours" if hours < 48 else f"{hours / 24:g} days"


def _words(name: str) -> str:
    return name.replace("_", " ")
