"""Fill the bare provider's database: ``python -m bench.bare.seed`` reads a seed as JSON from standard input.

The seed is ``{"accounts": [{username, password}], "clients": [{client_id, client_secret, redirect_uri,
scope}]}``; a client without a secret is public.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from sqlalchemy import text

from .app import create_app, create_password_hasher
from .models import Client, User, db


def seed(accounts: list[dict[str, Any]], clients: list[dict[str, Any]]) -> None:
    if db.engine.dialect.name == "sqlite":
        # A property of the file, kept by it: both servers are to be measured in the same journal mode.
        with db.engine.connect() as connection:
            connection.execute(text("PRAGMA journal_mode=WAL"))
    db.create_all()
    hasher = create_password_hasher()
    for account in accounts:
        name = account["username"]
        db.session.add(User(username=name, name=name.title(), password_hash=hasher.hash(account["password"])))
    for client in clients:
        db.session.add(make_client(client))
    db.session.commit()


def make_client(spec: dict[str, Any]) -> Client:
    is_public = not spec.get("client_secret")
    client = Client(
        client_id=spec["client_id"],
        client_id_issued_at=int(time.time()),
        client_secret=spec.get("client_secret") or "",
    )
    grant_types = ["authorization_code", "refresh_token"]
    client.set_client_metadata(
        {
            "client_name": spec["client_id"],
            "grant_types": grant_types if is_public else [*grant_types, "client_credentials"],
            "redirect_uris": [spec["redirect_uri"]],
            "response_types": ["code"],
            "scope": spec["scope"],
            "token_endpoint_auth_method": "none" if is_public else "client_secret_basic",
        }
    )
    return client


if __name__ == "__main__":
    with create_app().app_context():
        seed(**json.load(sys.stdin))
