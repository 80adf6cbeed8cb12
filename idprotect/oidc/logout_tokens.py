"""Who has to hear that a sign-in ended, and what they are sent (OIDC Back-Channel Logout 1.0)."""

from collections.abc import Callable, Sequence
from typing import Any

from flask import Flask
from sqlalchemy import select

from idprotect import audit, clock, deliveries, sessions
from idprotect.models import Client, Delivery, Token, session
from idprotect.oidc import subjects
from idprotect.oidc.signing import sign
from idprotect.runtime import reach, settings
from idprotect.senders import SendError
from idprotect.senders.outgoing import post_form

KIND = "logout_token"
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
    for client_id, sign_in_id in session().execute(concerned).all():
        deliveries.put(KIND, client_id, {"sign_in_id": sign_in_id, "user_id": user_id})


def _prepare(notice: Delivery) -> Callable[[], str] | None:
    client = session().get(Client, notice.recipient)
    if client is None or not client.enabled or client.backchannel_logout_uri is None:
        return None
    uri, token, allowed = client.backchannel_logout_uri, logout_token(notice, client), reach()

    def send() -> str:
        status = post_form(uri, {"logout_token": token}, allowed)
        if status not in (200, 204):  # section 2.8
            raise SendError(str(status))
        return str(status)

    return send


def _given_up(notice: Delivery) -> None:
    audit.record(
        audit.Event.LOGOUT_NOT_DELIVERED,
        actor="system",
        user_id=notice.content["user_id"],
        sign_in_id=notice.content["sign_in_id"],
        client_id=notice.recipient,
        answer=notice.answer,
    )


LOGOUT_TOKENS = deliveries.Kind(_prepare, given_up=_given_up)


def logout_token(notice: Delivery, client: Client) -> str:
    """Sign what one application is told about one sign-in (section 2.4), as it is registered for ID tokens."""
    now = int(clock.now().timestamp())
    claims: dict[str, Any] = {
        "iss": settings().issuer,
        "sub": subjects.of(client, notice.content["user_id"]),
        "aud": notice.recipient,
        "iat": now,
        "exp": now + LIFETIME,
        "jti": notice.id,
        "sid": subjects.session_of(client, notice.content["sign_in_id"]),
        "events": {EVENT: {}},
    }
    return sign(claims, "logout+jwt", client.id_token_signed_response_alg)
