"""What an application wishes beyond a code: claims, an authentication context, a certain person (OIDC Core 3.1.2.1).

A voluntary wish is met as far as possible, an essential one or not at all.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError

from idprotect import standard_claims
from idprotect.contexts import LADDER
from idprotect.models import ClientRules
from idprotect.oidc import hints, subjects

#: The id of no user.
NOBODY = "-"


class UnmetAuthenticationRequirements(OAuth2Error):  # type: ignore[misc]
    """The person cannot reach what is essential to the application (OIDC Core Error Code UAR 1.0)."""

    error = "unmet_authentication_requirements"


@dataclass(frozen=True, slots=True)
class Wishes:
    """The wishes of one request.

    :param userinfo, id_token: names of claims, wished for one by one.
    :param levels: contexts that are good enough, of those that there are, best liked first.
    :param is_essential: nothing else will do.
    :param user_id: nobody else will do.
    """

    userinfo: frozenset[str] = frozenset()
    id_token: frozenset[str] = frozenset()
    levels: tuple[str, ...] = ()
    is_essential: bool = False
    user_id: str | None = None

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that the claims belong to: what the person has to agree to."""
        return standard_claims.scopes_of(self.userinfo | self.id_token)

    @property
    def step_up(self) -> bool:
        """Whether to ask for a second factor, of whoever has one."""
        wanted = self._lowest if self.is_essential else self.levels[0] if self.levels else None
        return wanted == "aal2"

    def are_met_by(self, acr: str) -> bool:
        """Whether a sign-in of this context will do."""
        return not self.is_essential or LADDER.index(self._lowest) <= LADDER.index(acr)

    def reported(self, acr: str) -> str:
        """Return the context to tell: to whom only a lower one will do, that."""
        if not self.is_essential or acr in self.levels:
            return acr
        return max(self.levels, key=LADDER.index)

    @property
    def _lowest(self) -> str:
        return min(self.levels, key=LADDER.index)


def read(parameters: Mapping[str, str], client: ClientRules) -> Wishes:
    """Read the wishes of a client's request.

    :raises InvalidRequestError: when they cannot be understood.
    :raises UnmetAuthenticationRequirements: when a context is essential that nobody can reach here.
    """
    claims = _claims(parameters.get("claims"))
    acr = claims["id_token"].get("acr") or {}
    is_essential = acr.get("essential") is True and bool(_values(acr))
    named = _values(acr) or parameters.get("acr_values", "").split()
    levels = tuple(level for level in named if level in LADDER)
    if is_essential and not levels:
        raise UnmetAuthenticationRequirements()
    return Wishes(
        frozenset(claims["userinfo"]),
        frozenset(claims["id_token"]),
        levels,
        is_essential,
        _user(parameters, claims, client),
    )


def _claims(text: str | None) -> dict[str, dict[str, Any]]:
    """Return the members of the ``claims`` parameter, each claim with its details or None."""
    if text is None:
        return {"userinfo": {}, "id_token": {}}
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _not_understood() from None
    if not isinstance(document, dict):
        raise _not_understood()
    return {place: _wished(document.get(place) or {}) for place in ("userinfo", "id_token")}


def _wished(claims: Any) -> dict[str, Any]:
    if not isinstance(claims, dict):
        raise _not_understood()
    for details in claims.values():
        if not isinstance(details, dict | None):
            raise _not_understood()
    return claims


def _values(details: Mapping[str, Any]) -> list[str]:
    """Return what a claim has to be, best liked first (OIDC Core section 5.5.1)."""
    values = details.get("values", [details["value"]] if "value" in details else [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise _not_understood()
    return values


def _user(
    parameters: Mapping[str, str], claims: Mapping[str, Mapping[str, Any]], client: ClientRules
) -> str | None:
    """Return who is meant; NOBODY for a subject that is nobody's."""
    named = {value for place in claims.values() for value in _values(place.get("sub") or {})[:1]}
    if not all(value.isascii() and value.isprintable() for value in named):
        raise _not_understood()
    meant = {subjects.user_of(client, value) or NOBODY for value in named}
    if hint := parameters.get("id_token_hint"):
        meant.add(subjects.user_of_hint(hints.read(hint)) or NOBODY)
    if len(meant) > 1:
        raise InvalidRequestError("The request is about two people.")
    return next(iter(meant), None)


def _not_understood() -> InvalidRequestError:
    return InvalidRequestError("The claims parameter cannot be understood.")
