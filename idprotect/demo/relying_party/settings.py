"""What the application is told by its environment."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit


class SettingsError(ValueError):
    """The environment does not say what the application needs to know."""


@dataclass(frozen=True)
class Person:
    """Somebody whom a visitor may play."""

    username: str
    password: str
    story: str


@dataclass(frozen=True)
class Attack:
    """A scenario that the provider plays, with the page to start it on."""

    title: str
    about: str
    url: str


@dataclass(frozen=True)
class Settings:
    """The application's configuration; `from_environ` names the variables."""

    issuer: str
    client_id: str
    client_secret: str | None
    base_url: str
    host: str
    port: int
    secret_key: str
    outbox_url: str | None
    people: tuple[Person, ...]
    attacks: tuple[Attack, ...]

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the `DEMO_…` variables; without a secret the application is a public client."""
        port = _port(environ.get("DEMO_PORT", "8001"))
        return cls(
            issuer=_url(environ, "DEMO_ISSUER", "http://localhost:8000"),
            client_id=environ.get("DEMO_CLIENT_ID") or _missing("DEMO_CLIENT_ID"),
            client_secret=environ.get("DEMO_CLIENT_SECRET")
            or _secret(environ.get("DEMO_CLIENT_SECRET_FILE")),
            base_url=_url(environ, "DEMO_BASE_URL", f"http://127.0.0.1:{port}").rstrip("/"),
            host=environ.get("DEMO_HOST", "127.0.0.1"),
            port=port,
            secret_key=environ.get("DEMO_SECRET_KEY") or secrets.token_urlsafe(32),
            outbox_url=_url(environ, "DEMO_OUTBOX_URL", "") or None,
            people=_people(environ.get("DEMO_PEOPLE") or "[]"),
            attacks=_attacks(environ.get("DEMO_ATTACKS") or "[]"),
        )

    @property
    def issuer_origin(self) -> str:
        """Scheme, host and port of the provider."""
        parts = urlsplit(self.issuer)
        return f"{parts.scheme}://{parts.netloc}"


def _missing(name: str) -> str:
    raise SettingsError(f"{name} is not set: register the application at the provider first")


def _port(value: str) -> int:
    if not value.isdecimal() or not 0 < int(value) < 65536:
        raise SettingsError("DEMO_PORT must be a port number")
    return int(value)


def _url(environ: Mapping[str, str], name: str, default: str) -> str:
    value = environ.get(name) or default
    if value and not _is_web_address(value):
        raise SettingsError(f"{name} must be an http or https address")
    return value


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and value.isprintable()


def _secret(path: str | None) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"DEMO_CLIENT_SECRET_FILE cannot be read: {error.strerror}") from error


def _people(value: str) -> tuple[Person, ...]:
    try:
        return tuple(Person(p["username"], p["password"], p["story"]) for p in json.loads(value))
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError("DEMO_PEOPLE must be a JSON list of {username, password, story}") from error


def _attacks(value: str) -> tuple[Attack, ...]:
    try:
        attacks = tuple(Attack(a["title"], a["about"], a["url"]) for a in json.loads(value))
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError("DEMO_ATTACKS must be a JSON list of {title, about, url}") from error
    if not all(_is_web_address(attack.url) for attack in attacks):
        raise SettingsError("DEMO_ATTACKS must have http or https addresses")
    return attacks
