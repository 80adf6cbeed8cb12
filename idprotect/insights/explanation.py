"""Says in words why a condition of a policy does not hold for an access request."""

from collections.abc import Callable, Iterable, Mapping

from idprotect.conditional_access import AccessRequest, Policy, Selection
from idprotect.conditional_access.evaluation import BREAK_GLASS, names_of
from idprotect.conditional_access.expressions import FACTS
from idprotect.risk import RiskLevel

#: The unmet condition of a policy that is switched off.
STATE = "state"


def why(policy: Policy, request: AccessRequest, condition: str) -> str:
    """Return what the policy wants and what is the case instead."""
    return _WORDS[condition](policy, request)


def _who(policy: Policy, request: AccessRequest) -> str:
    return _selection("who is asking", policy.who, names_of(request))


def _clients(policy: Policy, request: AccessRequest) -> str:
    return _selection("the application", policy.clients, {request.client_id})


def _locations(policy: Policy, request: AccessRequest) -> str:
    return _selection("the location", policy.locations, request.locations)


def _countries(policy: Policy, request: AccessRequest) -> str:
    return _selection("the country", policy.countries, {request.country or "unknown"})


def _platforms(policy: Policy, request: AccessRequest) -> str:
    return f"the platform is {request.platform or 'unknown'}, not {_any_of(policy.platforms)}"


def _scopes(policy: Policy, request: AccessRequest) -> str:
    return f"the scopes asked for are {_all_of(request.scopes)}, without {_any_of(policy.scopes)}"


def _user_risk(policy: Policy, request: AccessRequest) -> str:
    return f"user risk is {request.user_risk.label}, not {_levels(policy.user_risk)}"


def _sign_in_risk(policy: Policy, request: AccessRequest) -> str:
    return f"sign-in risk is {request.sign_in_risk.label}, not {_levels(policy.sign_in_risk)}"


def _known_device(policy: Policy, request: AccessRequest) -> str:
    return f"the device is {'known' if request.known_device else 'not known'}"


def _registering(policy: Policy, request: AccessRequest) -> str:
    return "no second factor is being added"


def _expression(policy: Policy, request: AccessRequest) -> str:
    parts = policy.expression.failing(request) if policy.expression is not None else {}
    return "; ".join(
        f"{part} is not so: {', '.join(_is(name, request) for name in sorted(facts))}"
        for part, facts in parts.items()
    )


def _is(fact: str, request: AccessRequest) -> str:
    """Return what a fact is, in the words of an expression."""
    value = FACTS[fact].read(request)
    if isinstance(value, RiskLevel):
        value = value.label
    elif isinstance(value, frozenset):
        value = _all_of(value)
    elif isinstance(value, bool):
        value = "true" if value else "false"
    return f"{fact} is {'unknown' if value is None else value}"


def _break_glass(policy: Policy, request: AccessRequest) -> str:
    return f"{request.username} is a break-glass account, to which no policy applies"


def _state(policy: Policy, request: AccessRequest) -> str:
    return f"the policy is {policy.state}"


def _selection(what: str, selection: Selection, names: Iterable[str]) -> str:
    excluded = sorted(selection.exclude & set(names))
    if excluded:
        return f"{what} is excluded: {_all_of(excluded)}"
    return f"{what} is {_all_of(names)}, not {_any_of(selection.include)}"


def _levels(levels: Iterable[RiskLevel]) -> str:
    return " or ".join(level.label for level in sorted(levels))


def _any_of(names: Iterable[str]) -> str:
    return " or ".join(sorted(names))


def _all_of(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


_WORDS: Mapping[str, Callable[[Policy, AccessRequest], str]] = {
    "who": _who,
    "clients": _clients,
    "user_risk": _user_risk,
    "sign_in_risk": _sign_in_risk,
    "locations": _locations,
    "countries": _countries,
    "platforms": _platforms,
    "scopes": _scopes,
    "known_device": _known_device,
    "registering": _registering,
    "expression": _expression,
    BREAK_GLASS: _break_glass,
    STATE: _state,
}
