"""Commands about the addresses of visitors: how they are found, and whether somebody confirmed that it is right."""

from typing import Any, cast

import click
from flask.cli import AppGroup

from idprotect import address_trust, client_address
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.errors import InteractionError
from idprotect.runtime import settings

DEVELOPMENT = "development: addresses are judged by without a confirmation"
UNCONFIRMED = "not confirmed: judged by only where nothing speaks for a proxy in between"


@idprotect.group("proxy", cls=AppGroup)
def proxy_group() -> None:
    """Show how the address of a visitor is found, and confirm that it is right."""


@command(cast(AppGroup, proxy_group), "check")
@click.option("--peer", help="The address that connects, such as your proxy's.")
@click.option("--forwarded-for", help="What it sends as X-Forwarded-For.")
@click.option("--header", "headers", multiple=True, help="Another header that it sends, such as X-Real-IP.")
def check(peer: str | None, forwarded_for: str | None, headers: tuple[str, ...]) -> Result:
    """Show the setting and its confirmation; with --peer, what would be made of a request, hop by hop.

    The console's page "Visitors' addresses" shows the same of the very request that asks for it.
    """
    told: dict[str, Any] = {
        "trusted_proxies": list(settings().trusted_proxies) or "none: who connects is the visitor",
        "standing": standing(),
    }
    if peer is None:
        if forwarded_for is not None or headers:
            raise InteractionError("A header is sent by somebody: name the --peer, too.")
        return told
    names = [name for name in client_address.HEADERS if name.lower() in {h.lower() for h in headers}]
    if forwarded_for is not None:
        names.append(client_address.FORWARDED_FOR)
    trail = client_address.follow(peer, forwarded_for, names, settings().trusted_proxies)
    return told | {
        "visitor": trail.address or "not known",
        "hops": [f"{hop.said}: {hop.standing}: {hop.why}" for hop in trail.hops],
        "warnings": list(trail.warnings),
    }


@command(cast(AppGroup, proxy_group), "confirm")
@click.option("--reason", required=True, help="How you know; it lands in the audit log.")
def confirm(reason: str) -> Result:
    """Let signals by address count, with the proxies that are named now."""
    address_trust.confirm(operator(), reason)
    return {"standing": standing()}


@command(cast(AppGroup, proxy_group), "withdraw")
@click.option("--reason", required=True, help="It lands in the audit log.")
def withdraw(reason: str) -> Result:
    """Let signals by address count no more; they are not evaluated then."""
    address_trust.withdraw(operator(), reason)
    return {"standing": standing()}


def standing() -> str:
    """Return in words whether addresses are judged by."""
    if (found := address_trust.confirmation()) is not None:
        return f"confirmed by {found.by} at {found.at:%Y-%m-%d %H:%M} UTC: {found.reason}"
    return DEVELOPMENT if settings().development else UNCONFIRMED
