"""Commands about the server itself: database, keys, settings, upkeep."""

import click
from sqlalchemy import select

from idprotect import audit, migrations, protection, retention, sessions
from idprotect import settings as settings_module
from idprotect.cli import proxy
from idprotect.cli.base import Result, command, idprotect, operator
from idprotect.cli.intelligence import summary
from idprotect.models import User, session
from idprotect.runtime import runtime, settings


@command(idprotect, "init")
def init() -> Result:
    """Create or upgrade the database, and make the keys."""
    migrations.upgrade()
    ring = runtime().keys
    return {"database": runtime().db.engine.url.render_as_string(), "signing_key": ring.signing_key().kid}


@command(idprotect, "check")
def check() -> Result:
    """Explain the settings, and how the data files are doing."""
    current = settings()
    rows = {}
    for key, default in settings_module.describe():
        setting = settings_module.FIELDS[key]
        value = getattr(current, setting.name)
        shown = "(set)" if setting.metadata.get("secret") and value else str(value)
        rows[key] = shown if shown == default else f"{shown}  (default {default})"
    intelligence = runtime().intelligence
    data = {row.name: summary(row) for row in intelligence.health()}
    data |= dict.fromkeys(intelligence.not_configured(), "not configured, so not evaluated")
    return {"settings": rows, "data": data, "addresses": proxy.standing()}


@command(idprotect, "rotate-keys")
@click.option(
    "--emergency", is_flag=True, help="Withdraw the old keys at once: tokens signed with them are refused."
)
def rotate_keys(emergency: bool) -> Result:
    """Make a new signing key; the old ones stay published, so tokens that are out stay valid."""
    kid = runtime().keys.rotate(emergency=emergency)
    audit.record(audit.Event.KEYS_ROTATED, actor=operator(), kid=kid, emergency=emergency)
    return {"signing_key": kid, "published": [key["kid"] for key in runtime().keys.public_jwks()["keys"]]}


@command(idprotect, "age-out")
def age_out() -> Result:
    """Close low user risk that is 180 days old; ``purge`` does that, too."""
    return {"aged_out": protection.age_out()}


@command(idprotect, "purge")
def purge() -> Result:
    """Let old low risk fade, and delete what has expired or is older than the settings keep: run it daily."""
    return {"aged_out": protection.age_out(), **retention.purge()}


@command(idprotect, "revoke-all")
def revoke_all() -> Result:
    """End every sign-in of everybody, with their tokens: after a restored backup or a stolen database."""
    ended = [
        sessions.end_all(user.id, "revoked", actor=operator())
        for user in session().scalars(select(User)).all()
    ]
    return {"ended": sum(ended)}
