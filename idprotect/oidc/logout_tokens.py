"""Who has to hear that a sign-in ended, and what they are sent (OIDC Back-Channel Logout 1.0)."""

from collections.abc import Sequence
from typing import Any

from flask import Flask, g
from sqlalchemy import select

from idprotect import clock, sessions
from idprotect.models import Client, LogoutNotice, Token, add, session
from idprotect.oidc import subjects
from idprotect.oidc.signing import sign
from idprotect.runtime import settings

EVENT = "http://schemas.openid.net/event/backchannel-logout"
#: A logout token is used at once (section 2.4); each try gets a fresh one.
LIFETIME = 120


@sessions.ended.connect
def queue(_app: Flask, *, user_id: str, sign_in_ids: Sequence[str], reason: str) -> None:
    """Note every application that has tokens of these sign-ins and wants to be told."""
    concerned = (
        select(Token.client_id, Token.sign_in_id)
        .distinct()
        .join(Client, Client.id == Token.client_id)
        .where(
            Token.user_id == user_id,
            Token.sign_in_id.in_(sign_in_ids),
            Client.backchannel_logout_uri.is_not(None),
        )
    )
    now = clock.now()
    for client_id, sign_in_id in session().execute(concerned).all():
        notice = {"client_id": client_id, "sign_in_id": sign_in_id, "user_id": user_id}
        add(LogoutNotice, {**notice, "created_at": now, "due_at": now})
        g.idprotect_notices = True


def logout_token(notice: LogoutNotice, client: Client) -> str:
    """Sign what one application is told about one sign-in (section 2.4), as it is registered for ID tokens."""
    now = int(clock.now().timestamp())
    claims: dict[str, Any] = {
        "iss": settings().issuer,
        "sub": subjects.of(client, notice.user_id),
        "aud": notice.client_id,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": notice.id,
        "sid": notice.sign_in_id,
        "events": {EVENT: {}},
    }
    return sign(claims, "logout+jwt", client.id_token_signed_response_alg)
