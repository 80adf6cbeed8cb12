"""Commands about applications."""

import sys
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import clients, clock, workloads
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.models import Client, session
from idprotect.risk import RiskLevel
from idprotect.risk.workload import UNKNOWN, Origin, client_risk

client_group = AppGroup("client", help="Applications.")
idprotect.add_command(client_group)


@command(client_group, "create")
@click.argument("name")
@click.option("--redirect-uri", "redirect_uris", multiple=True, help="Where users come back to.")
@click.option("--id", "client_id", help="Instead of a random one.")
@click.option(
    "--post-logout-redirect-uri",
    "post_logout_redirect_uris",
    multiple=True,
    help="Where users may come back to after signing out.",
)
@click.option("--backchannel-logout-uri", help="Where it is told that a sign-in ended.")
@click.option("--public", is_flag=True, help="It can keep no secret: single-page or native.")
@click.option(
    "--pkce",
    type=click.Choice(clients.PKCE),
    default="required",
    show_default=True,
    help="What a confidential client may do without: PKCE where it sends a nonce, or altogether.",
)
@click.option("--native", is_flag=True, help="Loopback ports may vary; schemes of its own are allowed.")
@click.option("--first-party", is_flag=True, help="Consent is not asked.")
@click.option("--id-token-at-refresh", is_flag=True, help="It wants a new ID token with each refresh.")
@click.option("--require-pushed", is_flag=True, help="It pushes all its authorization requests (RFC 9126).")
@click.option("--userinfo-signed", is_flag=True, help="Userinfo answers it with a signed JWT.")
@click.option(
    "--auth-method",
    type=click.Choice(["client_secret_basic", "client_secret_post"]),
    default="client_secret_basic",
)
@click.option(
    "--grant",
    "grant_types",
    type=click.Choice(clients.GRANTS),
    multiple=True,
    default=clients.CODE_GRANTS,
    show_default=True,
    help="client_credentials: it acts for itself, without a user.",
)
@click.option("--scope", "scopes", multiple=True, help="All that it may ask for; otherwise all about users.")
@click.option(
    "--secret-stdin", is_flag=True, help="Read the secret from standard input instead of making one."
)
def create_client(
    name: str, redirect_uris: tuple[str, ...], scopes: tuple[str, ...], secret_stdin: bool, **options: Any
) -> Result:
    """Register an application; its secret is shown once."""
    secret = sys.stdin.readline().strip() if secret_stdin else None
    client, issued = clients.create(
        name, redirect_uris, by=operator(), secret=secret, scopes=scopes or None, **options
    )
    shown = _client(client)
    if issued and not secret_stdin:
        shown["client_secret"] = issued
    return shown


@command(client_group, "change")
@click.argument("client_id")
@click.option(
    "--redirect-uri", "redirect_uris", multiple=True, help="All that are to remain; otherwise unchanged."
)
@click.option("--scope", "scopes", multiple=True, help="All that are to remain; otherwise unchanged.")
@click.option(
    "--post-logout-redirect-uri",
    "post_logout_redirect_uris",
    multiple=True,
    help="All that are to remain; otherwise unchanged.",
)
@click.option("--backchannel-logout-uri", help="Where it is told that a sign-in ended; empty: it is not.")
def change_client(client_id: str, backchannel_logout_uri: str | None, **lists: tuple[str, ...]) -> Result:
    """Replace URIs or scopes; once one is taken away, what was issued so far is refused."""
    client = clients.get(client_id)
    given = {name: values or None for name, values in lists.items()}
    clients.change(client, operator(), backchannel_logout_uri=backchannel_logout_uri, **given)
    return _client(client)


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
def rotate_secret(client_id: str) -> Result:
    """Make a new secret; what was issued so far is refused. Closes the application's risk."""
    client = clients.get(client_id)
    return {"client_id": client.id, "client_secret": clients.rotate_secret(client, operator())}


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
        "first_party": client.first_party,
        "id_token_at_refresh": client.id_token_at_refresh,
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
