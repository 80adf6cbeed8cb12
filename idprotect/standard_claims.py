"""The standard claims about a person (OIDC Core section 5.1), and the scopes that ask for them (section 5.4)."""

from collections.abc import Iterable, Mapping
from typing import Any

OF_SCOPE: dict[str, frozenset[str]] = {
    "profile": frozenset(
        {
            *("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username"),
            *("profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at"),
        }
    ),
    "email": frozenset({"email", "email_verified"}),
    "address": frozenset({"address"}),
    "phone": frozenset({"phone_number", "phone_number_verified"}),
}
ALL = frozenset().union(*OF_SCOPE.values())
#: Parts of ``address`` (section 5.1.1).
ADDRESS = ("formatted", "street_address", "locality", "region", "postal_code", "country")
FLAGS = frozenset({"email_verified", "phone_number_verified"})
#: What the account itself says.
OF_ACCOUNT = frozenset({"name", "preferred_username", "email", "updated_at"})
LONGEST = 1000


def of_scopes(scopes: Iterable[str]) -> frozenset[str]:
    """Return the claims that scopes ask for."""
    return frozenset().union(*(OF_SCOPE.get(scope, frozenset()) for scope in scopes))


def scopes_of(claims: Iterable[str]) -> frozenset[str]:
    """Return the scopes to which claims belong."""
    wished = set(claims)
    return frozenset(scope for scope, names in OF_SCOPE.items() if names & wished)


def changed(claims: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    """Return claims with changes given as text; ``address.locality`` is a part of ``address``, an empty text removes.

    :raises ValueError: for a claim that cannot be set, or a value that it cannot have.
    """
    after = dict(claims)
    for name, text in changes.items():
        claim, _, part = name.partition(".")
        parts = ADDRESS if claim == "address" else ("",)
        if claim not in ALL - OF_ACCOUNT or part not in parts:
            raise ValueError(f"{name!r} cannot be set")
        if len(text) > LONGEST or not text.replace("\n", "").isprintable():
            raise ValueError(f"{name!r} cannot have this value")
        value: Any = _flag(name, text) if claim in FLAGS else text
        after[claim] = {**after.get(claim, {}), part: value} if part else value
    address = {part: text for part, text in after.get("address", {}).items() if text}
    return {name: value for name, value in {**after, "address": address}.items() if value not in ("", {})}


def _flag(name: str, text: str) -> Any:
    try:
        return {"true": True, "false": False, "": ""}[text]
    except KeyError:
        raise ValueError(f"{name!r} is true or false") from None
