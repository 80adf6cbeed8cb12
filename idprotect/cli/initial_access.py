"""Commands about initial access tokens: who may register an application by itself."""

from datetime import timedelta

import click
from flask.cli import AppGroup

from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.oidc import initial_access
from idprotect.registration import PKCE
from idprotect.runtime import settings

group = AppGroup("initial-access", help="Tokens with which applications register themselves (RFC 7591).")
idprotect.add_command(group)


@command(group, "create")
@click.option("--uses", type=click.IntRange(1, initial_access.MAX_USES), default=1, show_default=True)
@click.option(
    "--days", type=click.IntRange(1, initial_access.MAX_LIFETIME.days), default=1, show_default=True
)
@click.option(
    "--pkce",
    type=click.Choice(PKCE),
    default="required",
    show_default=True,
    help="What confidential applications may do without.",
)
def create(uses: int, days: int, pkce: str) -> Result:
    """Make a token; its value is shown once."""
    token, value = initial_access.mint(operator(), uses=uses, lifetime=timedelta(days=days), pkce=pkce)
    return {
        "id": token.id,
        "initial_access_token": value,
        "uses": uses,
        "expires_at": token.expires_at.isoformat(),
        "registration_endpoint": f"{settings().issuer}/register",
        "is_on": settings().dynamic_registration,
    }


@command(group, "list")
def list_tokens() -> Result:
    """List the tokens that are good."""
    return [
        {
            "id": token.id,
            "uses_left": token.uses_left,
            "expires_at": token.expires_at.isoformat(),
            "pkce": token.pkce,
            "created_by": token.created_by,
        }
        for token in initial_access.good()
    ]


@command(group, "revoke")
@click.argument("token_id")
def revoke(token_id: str) -> Result:
    """Let a token be good no more; applications that it registered stay."""
    initial_access.revoke(token_id, operator())
    return None
