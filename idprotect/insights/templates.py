"""The specification's three policies, ready to be put on trial: whoever makes one is left out of it."""

import copy
from collections.abc import Mapping
from typing import Any

from idprotect.conditional_access import Control, PolicyState

_AT_RISK = ["medium", "high"]
TEMPLATES: Mapping[str, Mapping[str, Any]] = {
    "user-risk": {
        "title": "A compromised user proves who they are and chooses a new password",
        "when": {"user_risk": _AT_RISK},
        "then": {"require": [str(Control.MFA), str(Control.PASSWORD_CHANGE)]},
    },
    "sign-in-risk": {
        "title": "A risky sign-in proves that it is its owner's",
        "when": {"sign_in_risk": _AT_RISK},
        "then": {"require": [str(Control.MFA)], "unregistered": "block"},
    },
    "mfa-registration": {
        "title": "Everybody sets up a second factor, within two weeks",
        "then": {"require": [str(Control.REGISTRATION)], "skip_days": 14},
    },
}
_BLOCKING = {
    "user-risk": "A compromised user is stopped until an administrator helps",
    "sign-in-risk": "A risky sign-in is stopped",
}


def template(kind: str, author: str = "", *, block: bool = False) -> dict[str, Any]:
    """Return a policy as a row of a document, in report-only.

    :param author: a user name, left out of the policy so that a mistake cannot stop who made it.
    :param block: stop instead of letting people recover; not for registration.
    :raises ValueError: for a template that does not exist.
    """
    if kind not in TEMPLATES or (block and kind not in _BLOCKING):
        raise ValueError(f"there is no template {kind!r}" + (" that blocks" if block else ""))
    row: dict[str, Any] = {"name": kind, "state": str(PolicyState.REPORT_ONLY)}
    row |= copy.deepcopy(dict(TEMPLATES[kind]))
    if block:
        row |= {"title": _BLOCKING[kind], "then": {"require": [str(Control.BLOCK)]}}
    return row | ({"who": {"exclude_users": [author]}} if author else {})


def with_template(
    document: Mapping[str, Any], kind: str, author: str = "", *, block: bool = False
) -> dict[str, Any]:
    """Return a document to which a template was added, under a name that is free."""
    row = template(kind, author, block=block)
    rows = list(document.get("policy", []))
    taken = {other.get("name") for other in rows}
    if row["name"] in taken:
        row["name"] = next(name for n in range(2, len(taken) + 3) if (name := f"{kind}-{n}") not in taken)
    return {**document, "policy": [*rows, row]}
