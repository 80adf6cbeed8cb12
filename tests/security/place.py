"""A server behind https and its visitors, without a network: what is proved here are answers, byte by byte.

Journeys over real HTTP are in ``tests/test_journeys.py``. Here every cookie and header is in the test's own hands, so
that it can send what no honest browser would.
"""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask
from jinja2 import FileSystemBytecodeCache
from sqlalchemy import select
from werkzeug.test import TestResponse

from idprotect import clients
from idprotect.models import Base, session
from idprotect.registration import Registration
from tests.support.world import FIREFOX, HOME_ADDRESS, PASSWORD, Clock, World, _Forms, build_app, query_of

ISSUER = "https://id.example"
CALLBACK = "https://notes.example/callback"
CLIENT_SECRET = "a-secret-of-the-application-kept-in-its-own-vault"
VERIFIER = "v" * 64
SESSION, BROWSER, DEVICE = "__Host-idprotect-session", "__Host-idprotect-browser", "__Host-idprotect-device"

#: What a request may write without changing anything: that it was made, judged, and by whom last.
BOOKKEEPING = frozenset({"idprotect_receipt", "idprotect_pending_authorization", "idprotect_risk_count"})
LAST_SEEN = ("idprotect_sign_in", "last_seen_at")


@dataclass
class Exchange:
    """One request and its answer."""

    method: str
    path: str
    response: TestResponse

    def __str__(self) -> str:
        return f"{self.method} {self.path} -> {self.response.status_code}"

    @property
    def cookies(self) -> dict[str, Any]:
        """The cookies that were set, with their attributes."""
        found: dict[str, Any] = {}
        for line in self.response.headers.getlist("Set-Cookie"):
            found.update(SimpleCookie(line))
        return found


@dataclass
class Place(World):
    """One server, reached without a network.

    :ivar exchanges: every request that any visitor made, with its answer.
    """

    exchanges: list[Exchange] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)

    def browser(self, address: str = HOME_ADDRESS, user_agent: str = FIREFOX) -> "Visitor":  # type: ignore[override]
        """Open a fresh browser."""
        return Visitor(self, address, user_agent)

    def signed_in(self, username: str = "ada", password: str = PASSWORD, **options: Any) -> "Visitor":
        """Return a browser in which somebody is at the account page."""
        visitor = self.browser(**options).start().sign_in(username, password)
        assert visitor.step == "account", visitor.text
        return visitor

    def restarted(self) -> "Place":
        """Return another process of the same server: same database, same keys, nothing in memory."""
        other = Place(_app(self.url, self.folder, None, self.settings), self.url, self.clock, self.folder)
        other._seeds, other.settings = self._seeds, self.settings
        return other

    def add_application(self, *, first_party: bool = True) -> None:
        """Register an application."""
        with self.arranging():
            notes = Registration(client_name="Notes", redirect_uris=(CALLBACK,), first_party=first_party)
            clients.create(notes, by="test", client_id="notes", secret=CLIENT_SECRET)

    def rows(self, model: type[Base], *conditions: Any) -> list[Any]:
        """Return rows as stored now."""
        with self.app.app_context():
            return list(session().scalars(select(model).where(*conditions)).all())

    def snapshot(self, *, without: Iterable[str] = BOOKKEEPING) -> dict[str, list[str]]:
        """Return everything that is stored, but for bookkeeping."""
        content = {}
        with self.app.app_context():
            for name, table in sorted(Base.metadata.tables.items()):
                if name not in without:
                    columns = [c for c in table.c if (name, c.name) != LAST_SEEN]
                    # A counter that went back to nothing is as good as none.
                    counted = [c > 0 for c in table.c if (name, c.name) == ("idprotect_throttle", "count")]
                    rows = session().execute(select(*columns).where(*counted))
                    content[name] = sorted(repr(tuple(row)) for row in rows)
        return content

    def values(self) -> Iterator[tuple[str, str]]:
        """Return every value that is stored, as text, with where it stands."""
        with self.app.app_context():
            for name, table in Base.metadata.tables.items():
                for row in session().execute(select(table)).mappings():
                    for column, value in row.items():
                        if value is not None:
                            text = value.hex() if isinstance(value, bytes) else value
                            text = text if isinstance(text, str) else json.dumps(text, default=str)
                            yield f"{name}.{column}", text


class Visitor:
    """One person's browser: cookies, an address, the page in front of it."""

    def __init__(self, place: Place, address: str | None, user_agent: str) -> None:
        self.place = place
        self.cookies: dict[str, str] = {}
        self.peer = "127.0.0.1"
        self.headers = {"User-Agent": user_agent, "Accept": "text/html"}
        if address is not None:
            self.headers["X-Forwarded-For"] = address
        self.path = ""
        self.page: TestResponse = None  # type: ignore[assignment]

    def copy(self) -> "Visitor":
        """Return a thief's browser, with the same cookies."""
        other = Visitor(self.place, "192.0.2.44", self.headers["User-Agent"])
        other.cookies = dict(self.cookies)
        return other

    def twin(self) -> "Visitor":
        """Return the same browser as it is now; what it does next changes nothing here."""
        other = self.copy()
        other.headers = dict(self.headers)
        return other

    def send(
        self,
        method: str,
        path: str,
        data: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        cookie: str | None = None,
        **options: Any,
    ) -> Exchange:
        """Send one request, and keep its cookies.

        :param cookie: the whole ``Cookie`` header, instead of what the browser keeps.
        """
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        sent = {**self.headers, **(headers or {})}
        if cookie if cookie is not None else jar:
            sent["Cookie"] = cookie if cookie is not None else jar
        client = self.place.app.test_client(use_cookies=False)
        options = {"environ_overrides": {"REMOTE_ADDR": self.peer}, **options}
        response = client.open(
            path, method=method, data=data, headers=sent, base_url=self.place.url, **options
        )
        exchange = Exchange(method, path, response)
        self.place.exchanges.append(exchange)
        for name, morsel in exchange.cookies.items():
            if morsel["max-age"] == "0":
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value
        return exchange

    def go(self, method: str, path: str, data: Any = None, **options: Any) -> "Visitor":
        """Send a request and follow redirects, as far as they stay here."""
        for _ in range(10):
            self.path, self.page = path, self.send(method, path, data, **options).response
            target = urljoin(self.place.url + path, self.page.headers.get("Location", ""))
            if not self.page.headers.get("Location"):
                return self
            if not target.startswith(self.place.url):
                self.path = target
                return self
            method, path, data, options = "GET", target.removeprefix(self.place.url), None, {}
        raise AssertionError(f"redirected for ever, to {self.path}")

    def get(self, path: str) -> "Visitor":
        """Go to a page."""
        return self.go("GET", path)

    def start(self) -> "Visitor":
        """Go to one's own account."""
        return self.get("/account")

    def ask_for_a_code(self, scope: str = "openid offline_access", **extra: str) -> "Visitor":
        """Come from the application."""
        return self.get("/authorize?" + urlencode(authorization(scope, **extra)))

    def sign_in(self, username: str = "ada", password: str = PASSWORD) -> "Visitor":
        """Fill the sign-in page."""
        return self.submit({"username": username, "password": password})

    def fail(self, username: str = "ada", times: int = 1) -> "Visitor":
        """Type wrong passwords."""
        for _ in range(times):
            self.sign_in(username, "not the password of anybody")
        return self

    def forms(self) -> list[dict[str, Any]]:
        """Return the forms of the page."""
        parser = _Forms()
        parser.feed(self.page.text)
        return parser.forms

    def links(self) -> list[str]:
        """Return the links of the page."""
        parser = _Forms()
        parser.feed(self.page.text)
        return parser.links

    def form(self, *fields: str, action: str = "", button: str | None = None) -> tuple[str, dict[str, str]]:
        """Return where a form goes and what it would send."""
        for form in self.forms():
            pressed = dict(pair for pair in form["buttons"] if button in pair)
            if set(fields) <= set(form["names"]) and action in form["action"] and (button is None or pressed):
                return form["action"], {**form["fields"], **pressed}
        raise AssertionError(f"no form {fields or action or button} at {self.path}: {self.text[:400]}")

    def submit(
        self,
        values: dict[str, str] | None = None,
        *,
        action: str = "",
        button: str | None = None,
        **options: Any,
    ) -> "Visitor":
        """Fill a form and send it."""
        path, data = self.form(*(values or {}), action=action, button=button)
        path = urljoin(self.path, path)
        return self.go("POST", path, {**data, **(values or {})}, **options)

    @property
    def text(self) -> str:
        """The page as text."""
        return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", self.page.text))

    @property
    def status(self) -> int:
        """The status of the page."""
        return self.page.status_code

    @property
    def step(self) -> str:
        """Which page this is."""
        parts = urlsplit(self.path)
        if parts.netloc:
            return "application"
        if parts.path.startswith("/interaction/"):
            return parts.path.rsplit("/", 1)[1]
        return "sign_in" if parts.path.startswith("/sign-in") else parts.path.strip("/")

    @property
    def pending_id(self) -> str:
        """The id of what waits, from the URL."""
        return urlsplit(self.path).path.split("/")[2]

    @property
    def code(self) -> str:
        """The code that the application was given."""
        assert self.step == "application", f"{self.path}: {self.text[:400]}"
        return query_of(self.path)["code"]

    @property
    def is_signed_in(self) -> bool:
        """Whether the account page is open to this browser."""
        return self.start().step == "account" and self.status == 200


def authorization(scope: str = "openid offline_access", **extra: str) -> dict[str, str]:
    """Return the parameters of a good authorization request."""
    return {
        "response_type": "code",
        "client_id": "notes",
        "redirect_uri": CALLBACK,
        "scope": scope,
        "state": "s",
        "code_challenge": create_s256_code_challenge(VERIFIER),
        "code_challenge_method": "S256",
        **extra,
    }


class Application:
    """The application's own server, at the back door."""

    def __init__(self, place: Place) -> None:
        self._visitor = Visitor(place, "203.0.113.5", "application")

    def post(self, path: str, **data: str) -> TestResponse:
        """Call an endpoint, authenticated."""
        from base64 import b64encode

        basic = "Basic " + b64encode(f"notes:{CLIENT_SECRET}".encode()).decode()
        return self._visitor.send("POST", path, data, headers={"Authorization": basic}).response

    def redeem(self, code: str) -> dict[str, Any]:
        """Turn a code into tokens."""
        answer = self.post(
            "/token",
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
        )
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def refresh(self, token: str) -> TestResponse:
        """Ask for new tokens."""
        return self.post("/token", grant_type="refresh_token", refresh_token=token)


def make_place(
    folder: Path, keys: Path, pristine: Path, moved: Clock, url: str = ISSUER, **config: Any
) -> Place:
    """Make a server whose tables were copied instead of made."""
    folder.mkdir(mode=0o700, exist_ok=True)
    shutil.copy(pristine, folder / "idprotect.sqlite")
    place = Place(_app(url, folder, keys, config), url, moved, folder)
    place.settings = config
    return place


def _app(url: str, folder: Path, keys: Path | None, config: Mapping[str, Any]) -> Flask:
    app = build_app(url, folder, keys, **config)
    compiled = folder.parent.parent / "compiled-templates"
    compiled.mkdir(exist_ok=True)
    app.jinja_env.bytecode_cache = FileSystemBytecodeCache(str(compiled))
    return app
