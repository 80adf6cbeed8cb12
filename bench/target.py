"""What the load generator must know of a server: where its endpoints are and who may sign in.

Written as a JSON file by run.py, read by load.py; nothing in it tells one server from another.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .http_client import HttpConnection

DISCOVERY = "/.well-known/openid-configuration"
SCOPE = "openid profile offline_access"
REDIRECT_URI = "http://127.0.0.1:9/callback"  # never requested: the load generator stops at this address


@dataclass(frozen=True)
class Account:
    username: str
    password: str


@dataclass(frozen=True)
class Client:
    """A registered application; without a secret it is public.

    :param own_scope: what it asks for by its own credentials, without a user.
    """

    client_id: str
    client_secret: str | None = None
    redirect_uri: str = REDIRECT_URI
    scope: str = SCOPE
    own_scope: str = "profile"

    @property
    def is_public(self) -> bool:
        return self.client_secret is None


@dataclass(frozen=True)
class Endpoints:
    """Paths on the server, as its discovery document tells them; empty for those it does not have."""

    authorize: str
    token: str
    jwks: str
    userinfo: str
    introspection: str
    discovery: str = DISCOVERY

    @classmethod
    def from_discovery(cls, document: dict[str, Any]) -> Endpoints:
        def path(member: str) -> str:
            return urlsplit(str(document.get(member, ""))).path

        return cls(
            authorize=path("authorization_endpoint"),
            token=path("token_endpoint"),
            jwks=path("jwks_uri"),
            userinfo=path("userinfo_endpoint"),
            introspection=path("introspection_endpoint"),
        )


@dataclass(frozen=True)
class Seed:
    """Accounts and clients as both servers get them."""

    accounts: list[Account]
    confidential: Client
    public: Client


@dataclass(frozen=True)
class Target:
    """One running, seeded server."""

    host: str
    port: int
    accounts: list[Account]
    client: Client
    endpoints: Endpoints

    @property
    def issuer(self) -> str:
        return f"http://{self.host}:{self.port}"

    def connect(self) -> HttpConnection:
        """Return a new connection; there is nothing on it yet."""
        return HttpConnection(self.host, self.port)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Target:
        content = json.loads(path.read_text())
        return cls(
            host=content["host"],
            port=content["port"],
            accounts=[Account(**account) for account in content["accounts"]],
            client=Client(**content["client"]),
            endpoints=Endpoints(**content["endpoints"]),
        )


def make_seed(accounts: int) -> Seed:
    """Random passwords: no policy or breach list objects to them."""
    return Seed(
        accounts=[Account(f"user{number:04}", secrets.token_urlsafe(18)) for number in range(accounts)],
        confidential=Client("bench-web", secrets.token_urlsafe(24)),
        public=Client("bench-app"),
    )
