"""What the OpenID Foundation's conformance suite needs to find: its applications, and a person with every claim."""

import sys
from datetime import timedelta
from typing import Any

import click

from idprotect import clients, users
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.oidc import initial_access
from idprotect.registration import Registration
from idprotect.runtime import settings

USERNAME = "conformance"
#: As the suite's static clients are called: two that authenticate by header, one that does by form.
APPLICATIONS = (
    ("client", "client_secret_basic"),
    ("client2", "client_secret_basic"),
    ("client_secret_post", "client_secret_post"),
)
PERSON = {
    "given_name": "Ada",
    "family_name": "Lovelace",
    "middle_name": "Augusta",
    "nickname": "Enchantress",
    "profile": "https://ada.example/",
    "picture": "https://ada.example/picture.jpg",
    "website": "https://ada.example/",
    "gender": "female",
    "birthdate": "1985-12-10",
    "zoneinfo": "Europe/London",
    "locale": "en-GB",
    "email_verified": "true",
    "phone_number": "+442079460000",
    "phone_number_verified": "true",
    "address.formatted": "12 St James's Square, London",
    "address.street_address": "12 St James's Square",
    "address.locality": "London",
    "address.country": "GB",
}


@command(idprotect, "conformance-profile")
@click.argument("url")
@click.option("--password-stdin", is_flag=True, required=True, help="Read the person's password.")
def conformance_profile(url: str, password_stdin: bool) -> Result:
    """Register what a conformance suite at URL (…/test/a/<alias>) tests with; for a server that serves nobody else."""
    password = sys.stdin.readline().rstrip("\r\n")
    user = users.create(USERNAME, password, by=operator(), name="Ada Lovelace", email="ada@example.com")
    users.set_claims(user, PERSON, operator())
    made: dict[str, Any] = {
        name: _application(name, method, url.rstrip("/")) for name, method in APPLICATIONS
    }
    if settings().dynamic_registration:
        _, value = initial_access.mint(operator(), uses=500, lifetime=timedelta(days=7), pkce="optional")
        made["initial_access_token"] = value
    return {"username": USERNAME, **made}


def _application(name: str, method: str, url: str) -> dict[str, Any]:
    """Register one; the Basic plan sends neither PKCE nor, once, a nonce."""
    registration = Registration(
        client_name=f"Conformance suite: {name}",
        redirect_uris=(f"{url}/callback",),
        token_endpoint_auth_method=method,
        pkce="optional",
        post_logout_redirect_uris=(f"{url}/post_logout_redirect",),
        backchannel_logout_uri=f"{url}/backchannel_logout",
    )
    client, secret = clients.create(registration, by=operator())
    return {"client_id": client.id, "client_secret": secret}
