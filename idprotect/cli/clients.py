"""Commands about applications."""

import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy import select

from idprotect import clients, workloads
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.cli.registration_options import given, metadata
from idprotect.errors import InteractionError
from idprotect.models import Client, session
from idprotect.oidc import document_clients
from idprotect.oidc.document_clients import DocumentRefused
from idprotect.registration import Registration
from idprotect.risk import RiskLevel
from idprotect.risk.workload import UNKNOWN, Origin

#: What is not always shown.
_OTHERS = (
    *("application_type", "token_endpoint_auth_signing_alg", "jwks", "jwks_uri", "pkce"),
    *(
        "subject_type",
        "sector_identifier_uri",
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
    ),
    *("request_object_signing_alg", "require_signed_request_object", "require_pushed_authorization_requests"),
    *("dpop_bound_access_tokens", "resources", "resource_identifier"),
)

client_group = AppGroup("client", help="Applications.")
idprotect.add_command(client_group)


@command(client_group, "create")
@click.argument("name")
@metadata
@click.option("--id", "client_id", help="Instead of a random one.")
@click.option(
    "--secret-stdin", is_flag=True, help="Read the secret from standard input instead of making one."
)
def create_client(name: str, client_id: str | None, secret_stdin: bool, **options: Any) -> Result:
    """Register an application; its secret is shown once."""
    secret = sys.stdin.readline().strip() if secret_stdin else None
    wanted = Registration(client_name=name, **given(**options))
    client, issued = clients.create(wanted, by=operator(), client_id=client_id, secret=secret)
    return _with_secret(client, None if secret_stdin else issued)


@command(client_group, "change")
@click.argument("client_id")
@click.option("--name", "client_name", help="What people know it by.")
@metadata
def change_client(client_id: str, **options: Any) -> Result:
    """Change a registration; lists are replaced. Once something is taken away, what was issued so far is refused."""
    client = clients.get(client_id)
    wanted = replace(clients.registration_of(client), **given(**options))
    return _with_secret(client, clients.change(client, wanted, operator()))


@command(client_group, "list")
def list_clients() -> Result:
    """List applications, with their own risk."""
    listed = session().execute(select(Client, workloads.LEVEL).order_by(Client.name))
    return [{**_client(client), "risk_level": RiskLevel(level).label} for client, level in listed]


@command(client_group, "show")
@click.argument("client_id")
def show_client(client_id: str) -> Result:
    """Show an application, and where it came from when it acted for itself."""
    return _with_risk(clients.get(client_id))


@command(client_group, "read-document")
@click.argument("client_id")
def read_document(client_id: str) -> Result:
    """Read the metadata document of a client again now, and tell what is wrong with it."""
    client = clients.get(client_id)
    if not client.by_document:
        raise InteractionError("this client is registered, and known by no document")
    try:
        document_clients.read_again(client.id)
    except DocumentRefused as error:
        raise InteractionError(error.cause) from None
    return _with_risk(client)


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
        "by_document": client.by_document,
        "enabled": client.enabled,
        **_other_metadata(client),
    }


def _other_metadata(client: Client) -> dict[str, Any]:
    """Return the rest of a registration, by its own names, as far as it is not the usual one."""
    registered, usual = clients.registration_of(client), Registration(client_name="")
    return {
        field: value for field in _OTHERS if (value := getattr(registered, field)) != getattr(usual, field)
    }


def _with_risk(client: Client) -> dict[str, Any]:
    origins = workloads.origins(client.id)
    return {
        **_client(client),
        **_document(client),
        "risk_level": workloads.risk(client.id).label,
        "learning": workloads.is_learning(client.id),
        "networks": [_origin(origin) for origin in origins if origin.asn != UNKNOWN],
        "bursts": {what: at.isoformat() for what, at in workloads.bursts(client.id).items()},
        "not_evaluated": sum(origin.times for origin in origins if origin.asn == UNKNOWN),
    }


def _document(client: Client) -> dict[str, Any]:
    """Return how things stand with its metadata document, if it is known by one."""
    document = clients.document_of(client)
    if document is None:
        return {}
    times = ("fetched_at", "asked_at", "fresh_until", "used_at")
    told = {name: getattr(document, name).isoformat() for name in times}
    return {"metadata_document": {**told, "problem": document.problem}}


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "asn": origin.asn,
        "first_at": origin.first_at.isoformat(),
        "last_at": origin.last_at.isoformat(),
        "times": origin.times,
        "risk_level": origin.level.label,
    }
