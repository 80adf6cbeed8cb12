"""Commands about applications."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, TextIO

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import clients, clock, registration, workloads
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.errors import InteractionError
from idprotect.keys import ALGORITHMS
from idprotect.models import Client, session
from idprotect.registration import Registration
from idprotect.risk import RiskLevel
from idprotect.risk.workload import UNKNOWN, Origin, client_risk

client_group = AppGroup("client", help="Applications.")
idprotect.add_command(client_group)


#: The metadata of a registration; what is not given has its default, or stays as it is.
_METADATA = (
    click.option("--redirect-uri", "redirect_uris", multiple=True, help="Where users come back to."),
    click.option(
        "--post-logout-redirect-uri",
        "post_logout_redirect_uris",
        multiple=True,
        help="Where users may come back to after signing out.",
    ),
    click.option("--backchannel-logout-uri", help="Where it is told that a sign-in ended; empty: it is not."),
    click.option(
        "--grant",
        "grant_types",
        type=click.Choice(registration.GRANTS),
        multiple=True,
        help="Those with users by default; client_credentials: it acts for itself, without a user.",
    ),
    click.option(
        "--scope", "scopes", multiple=True, help="All that it may ask for; by default all about users."
    ),
    click.option(
        "--auth-method",
        "token_endpoint_auth_method",
        type=click.Choice(registration.AUTH_METHODS),
        help="How it proves who it is; client_secret_basic by default.",
    ),
    click.option(
        "--auth-signing-alg",
        "token_endpoint_auth_signing_alg",
        type=click.Choice(ALGORITHMS),
        help="The only one that private_key_jwt may be signed with.",
    ),
    click.option("--jwks", type=click.File(), help="File with its public keys (RFC 7517)."),
    click.option("--jwks-uri", help="Where its public keys are, instead."),
    click.option(
        "--public",
        "is_public",
        is_flag=True,
        help="It can keep no secret, as single-page and native ones: --auth-method none.",
    ),
    click.option(
        "--native",
        "application_type",
        flag_value="native",
        help="Loopback ports may vary; schemes of its own are allowed.",
    ),
    click.option(
        "--pkce",
        type=click.Choice(registration.PKCE),
        help="What a confidential client may do without: PKCE where it sends a nonce, or altogether.",
    ),
    click.option(
        "--access-token-audience",
        help="Access tokens are JWTs (RFC 9068) for that resource server; empty: by reference.",
    ),
    click.option("--first-party/--third-party", default=None, help="Whether consent is not asked."),
    click.option(
        "--id-token-at-refresh/--no-id-token-at-refresh",
        default=None,
        help="Whether it gets a new ID token with each refresh.",
    ),
    click.option(
        "--release-risk/--no-release-risk",
        default=None,
        help="Whether its tokens tell how risky their user is.",
    ),
    click.option(
        "--require-pushed/--no-require-pushed",
        "require_pushed_authorization_requests",
        default=None,
        help="Whether it pushes all its authorization requests (RFC 9126).",
    ),
    click.option(
        "--require-signed/--no-require-signed",
        "require_signed_request_object",
        default=None,
        help="Whether it signs all its authorization requests (RFC 9101).",
    ),
    click.option(
        "--request-object-alg",
        "request_object_signing_alg",
        type=click.Choice(ALGORITHMS),
        help="The only one that its request objects may be signed with.",
    ),
    click.option(
        "--pairwise",
        "subject_type",
        flag_value="pairwise",
        help="It knows users by subjects that no application of another sector can compare.",
    ),
    click.option(
        "--sector-identifier-uri", help="Where the sector lists its redirect URIs, if they have more hosts."
    ),
    click.option(
        "--id-token-alg",
        "id_token_signed_response_alg",
        type=click.Choice(ALGORITHMS),
        help="How its ID tokens are signed; otherwise as the server is set.",
    ),
    click.option(
        "--dpop/--no-dpop",
        "dpop_bound_access_tokens",
        default=None,
        help="Whether it gets tokens only for a key that it proves to hold (RFC 9449).",
    ),
    click.option(
        "--userinfo-signed",
        "userinfo_signed_response_alg",
        type=click.Choice(ALGORITHMS),
        help="Userinfo answers it with a JWT signed so.",
    ),
)


def _metadata(function: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options that make up a registration."""
    for option in reversed(_METADATA):
        function = option(function)
    return function


def _given(scopes: tuple[str, ...], is_public: bool, jwks: TextIO | None, **options: Any) -> dict[str, Any]:
    """Return the members of a registration that were given; an empty text takes one away."""
    given = {field: value or None for field, value in options.items() if value not in (None, ())}
    given |= {field: False for field, value in options.items() if value is False}
    if jwks is not None:
        given["jwks"] = _json(jwks)
    if scopes:
        given["scope"] = " ".join(scopes)
    if is_public:
        given["token_endpoint_auth_method"] = "none"  # noqa: S105 (no secret)
    return given


def _json(file: TextIO) -> Any:
    try:
        return json.load(file)
    except ValueError:
        raise InteractionError(f"{file.name} is not JSON") from None


@command(client_group, "create")
@click.argument("name")
@_metadata
@click.option("--id", "client_id", help="Instead of a random one.")
@click.option(
    "--secret-stdin", is_flag=True, help="Read the secret from standard input instead of making one."
)
def create_client(name: str, client_id: str | None, secret_stdin: bool, **options: Any) -> Result:
    """Register an application; its secret is shown once."""
    secret = sys.stdin.readline().strip() if secret_stdin else None
    wanted = Registration(client_name=name, **_given(**options))
    client, issued = clients.create(wanted, by=operator(), client_id=client_id, secret=secret)
    return _with_secret(client, None if secret_stdin else issued)


@command(client_group, "change")
@click.argument("client_id")
@click.option("--name", "client_name", help="What people know it by.")
@_metadata
def change_client(client_id: str, **options: Any) -> Result:
    """Change a registration; lists are replaced. Once something is taken away, what was issued so far is refused."""
    client = clients.get(client_id)
    wanted = replace(clients.registration_of(client), **_given(**options))
    return _with_secret(client, clients.change(client, wanted, operator()))


@command(client_group, "list")
def list_clients() -> Result:
    """List applications, with their own risk."""
    levels = workloads.levels()
    return [
        {**_client(client), "risk_level": levels.get(client.id, RiskLevel.NONE).label}
        for client in session().scalars(select(Client).order_by(Client.name))
    ]


@command(client_group, "show")
@click.argument("client_id")
def show_client(client_id: str) -> Result:
    """Show an application, and where it came from when it acted for itself."""
    return _with_risk(clients.get(client_id))


@command(client_group, "dismiss")
@click.argument("client_id")
@click.option("--reason", required=True)
def dismiss_client(client_id: str, reason: str) -> Result:
    """Say that an application's risk is void: it does come from there."""
    client = clients.get(client_id)
    workloads.dismiss(client.id, operator(), reason)
    return _with_risk(client)


@command(client_group, "rotate-secret")
@click.argument("client_id")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, int(clients.MAX_OVERLAP.total_seconds() // 3600)),
    default=0,
    show_default=True,
    help="The old secret is good for as long, and what was issued stays good.",
)
def rotate_secret(client_id: str, overlap_hours: int) -> Result:
    """Make a new secret. Without overlap, what was issued so far is refused, and the application's risk is closed."""
    client = clients.get(client_id)
    issued = clients.rotate_secret(client, operator(), timedelta(hours=overlap_hours))
    until = client.previous_secret_expires_at
    return {
        "client_id": client.id,
        "client_secret": issued,
        "previous_secret_expires_at": until.isoformat() if until else None,
    }


@command(client_group, "disable")
@click.argument("client_id")
def disable_client(client_id: str) -> Result:
    """Refuse an application and all that it holds."""
    client = clients.get(client_id)
    clients.set_enabled(client, False, operator())
    return _client(client)


@command(client_group, "enable")
@click.argument("client_id")
def enable_client(client_id: str) -> Result:
    """Accept an application again; what it held stays refused."""
    client = clients.get(client_id)
    clients.set_enabled(client, True, operator())
    return _client(client)


def _with_secret(client: Client, issued: str | None) -> dict[str, Any]:
    """Show an application, with a secret that was just made."""
    return {**_client(client), **({"client_secret": issued} if issued else {})}


def _client(client: Client) -> dict[str, Any]:
    return {
        "client_id": client.id,
        "name": client.name,
        "auth_method": client.token_endpoint_auth_method,
        "redirect_uris": list(client.redirect_uris),
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "grants": list(client.grant_types),
        "scopes": list(client.scopes),
        "access_token_audience": client.access_token_audience,
        "first_party": client.first_party,
        "id_token_at_refresh": client.id_token_at_refresh,
        "release_risk": client.release_risk,
        "enabled": client.enabled,
    }


def _with_risk(client: Client) -> dict[str, Any]:
    origins = workloads.origins(client.id)
    return {
        **_client(client),
        "risk_level": client_risk(origins).label,
        "learning": workloads.baseline().reason(origins, clock.now()),
        "networks": [_origin(origin) for origin in origins if origin.asn != UNKNOWN],
        "not_evaluated": sum(origin.times for origin in origins if origin.asn == UNKNOWN),
    }


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "asn": origin.asn,
        "first_at": origin.first_at.isoformat(),
        "last_at": origin.last_at.isoformat(),
        "times": origin.times,
        "risk_level": origin.level.label,
    }
