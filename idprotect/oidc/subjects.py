"""By what an application knows a user and a session: the id, or for each sector another one that nobody can compare.

OIDC Core section 8.

Pairwise subjects are random and stored, so that they outlive every key and can be found again when they come as a hint.
Sessions are short, so theirs are keyed hashes.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, select

from idprotect.models import ClientRules, PairwiseSubject, dialect, insert, run, table_of
from idprotect.oidc import clients
from idprotect.runtime import runtime

_table = table_of(PairwiseSubject)
_OF = select(_table.c.subject).where(
    _table.c.sector == bindparam("sector"), _table.c.user_id == bindparam("user_id")
)
_USER = select(_table.c.user_id).where(
    _table.c.sector == bindparam("sector"), _table.c.subject == bindparam("subject")
)


def of(client: ClientRules, user_id: str) -> str:
    """Return the subject of a user at a client; the caller commits."""
    if not client.is_pairwise:
        return user_id
    key = {"sector": client.sector, "user_id": user_id}
    found = run(_OF, **key).scalar()
    if found is None:
        new = {**key, "subject": secrets.token_hex(16)}
        run(insert(PairwiseSubject, dialect()).values(new).on_conflict_do_nothing())
        found = run(_OF, **key).scalar_one()  # that of whoever was first
    return str(found)


def session_of(client: ClientRules, sign_in_id: str) -> str:
    """Return the ``sid`` of a sign-in at a client."""
    if not client.is_pairwise:
        return sign_in_id
    return runtime().keys.keyed_hash("sid", client.sector, sign_in_id)


def acting(client: ClientRules, actors: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """Return the claim ``act``: who acts for the user, and for whom in turn (RFC 8693 section 4.1); the caller commits.

    :param actors: the last one first, as stored with an exchange.
    """
    claim: dict[str, Any] = {}
    for actor in reversed(actors):
        # An application is named by two claims, so that none passes for a person whose subject it has as its id.
        named = {"sub": of(client, actor["user"])} if "user" in actor else _application(actor["client"])
        claim = {"act": named | claim}
    return claim


def _application(client_id: str) -> dict[str, str]:
    return {"sub": client_id, "client_id": client_id}


def user_of(client: ClientRules, subject: str) -> str | None:
    """Return the user whom a client knows by a subject; None when there is nobody, or not by this one."""
    if not client.is_pairwise:
        return subject
    return run(_USER, sector=client.sector, subject=subject).scalar()


def user_of_hint(claims: dict[str, str]) -> str | None:
    """Return the user of an ID token of ours, whichever client it was for."""
    client = clients.find(claims.get("aud", ""))
    return user_of(client, claims.get("sub", "")) if client is not None else None
