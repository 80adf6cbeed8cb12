"""A server behind https without a network, people in their browsers, and applications that ask for tokens.

What administrators do happens in a second process of the server: nothing that the first one remembers may keep an
artifact alive.
"""

import json
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urljoin, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select
from werkzeug.test import TestResponse

from idprotect import clients, clock, migrations
from idprotect.models import Client, SignIn, User, session
from idprotect.registration import Registration
from idprotect.runtime import runtime
from tests.oidc import signing
from tests.support.world import FIREFOX, HOME_ADDRESS, PASSWORD, Clock, World, _Forms, build_app

ISSUER = "https://id.example"
CALLBACK = "https://app.example/callback"
FOREIGN = "https://evil.example/steal"
VERIFIER = "a-verifier-of-the-application_which~is.long-enough"
CHALLENGE = create_s256_code_challenge(VERIFIER)

Parameters = Mapping[str, str | None]


@dataclass
class Server(World):
    """Two processes of one server.

    :ivar app: where administrators act; the inherited methods work here.
    :ivar front: which answers browsers and applications.
    """

    front: Flask = field(default=None)  # type: ignore[arg-type]
    _numbers: "count[int]" = field(default_factory=count)

    def person(self, *, authenticators: tuple[str, ...] = (), **traits: Any) -> "Person":
        """Make a user, and open a browser for them."""
        name = f"person{next(self._numbers)}"
        return Person(self, self.make_user(name, authenticators=authenticators, **traits), name)

    def application(
        self,
        *,
        grant_types: tuple[str, ...] | None = None,
        public: bool = False,
        native: bool = False,
        client_id: str | None = None,
        secret: str | None = None,
        **options: Any,
    ) -> "Application":
        """Register an application; first-party, so that nobody is asked for consent, unless told otherwise."""
        options = {"redirect_uris": (CALLBACK,), "first_party": True, **options}
        if public:
            options["token_endpoint_auth_method"] = "none"
        if options.get("token_endpoint_auth_method") == "private_key_jwt" and "jwks_uri" not in options:
            options.setdefault("jwks", signing.public(signing.KEY))
        if native:
            options["application_type"] = "native"
        with self.arranging():
            registration = Registration(client_name=f"App {next(self._numbers)}", **options)
            client, secret = clients.create(registration, by="test", client_id=client_id, secret=secret)
            if grant_types is not None:
                client.grant_types = list(grant_types)
            method = client.token_endpoint_auth_method
            return Application(self, client.id, secret or "", method, options["redirect_uris"][0])

    def registered(self, **metadata: Any) -> "Application":
        """Register an application exactly so."""
        with self.arranging():
            client, secret = clients.create(Registration(**metadata), by="test")
            uri = (*client.redirect_uris, "")[0]
            return Application(self, client.id, secret or "", client.token_endpoint_auth_method, uri)

    def send(
        self,
        method: str,
        path: str,
        form: Any = None,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        """Send a request without cookies."""
        client = self.front.test_client(use_cookies=False)
        return client.open(path, method=method, data=form, headers=headers, base_url=ISSUER, **options)

    def keys(self) -> KeySet:
        """Return the published keys."""
        return KeySet.import_key_set(self.send("GET", "/jwks").get_json())

    def sign_in_of(self, person: "Person") -> SignIn:
        """Return the newest successful sign-in of a person as stored now."""
        with self.arranging():
            statement = select(SignIn).where(SignIn.user_id == person.user_id, SignIn.succeeded)
            return session().scalars(statement.order_by(SignIn.signed_in_at.desc())).first()  # type: ignore[return-value]


@contextmanager
def running(folder: Path, keys: Path, **config: Any) -> Iterator[Server]:
    """Run two processes of a server, with the one clock in the tests' hands."""
    moved, real_time = Clock(), time.time
    folder.chmod(0o700)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "now", moved.now)
        patch.setattr(time, "time", lambda: real_time() + moved.offset.total_seconds())
        app = build_app(ISSUER, folder, keys, **config)
        with app.app_context():
            migrations.upgrade()
        server = Server(app, ISSUER, moved, folder, front=build_app(ISSUER, folder, None, **config))
        yield server
        for one in (server.app, server.front):
            with one.app_context():
                runtime().db.engine.dispose()


class Person:
    """A user at a browser."""

    def __init__(self, server: Server, user_id: str, username: str) -> None:
        self.server, self.user_id, self.username = server, user_id, username
        self.http = server.front.test_client()
        self.path = ""
        self.page: TestResponse = None  # type: ignore[assignment]

    def send(self, method: str, path: str, form: Any = None, **options: Any) -> TestResponse:
        """Send one request with this browser's cookies; redirects are not followed."""
        headers = {"User-Agent": FIREFOX, "X-Forwarded-For": HOME_ADDRESS, **options.pop("headers", {})}
        return self.http.open(path, method=method, data=form, base_url=ISSUER, headers=headers, **options)

    def go(self, path: str, method: str = "GET", form: Any = None) -> "Person":
        """Go somewhere, following redirects as far as they stay at the server."""
        for _ in range(10):
            self.path, self.page = path, self.send(method, path, form)
            location = self.page.headers.get("Location")
            if location is None:
                return self
            assert self.page.status_code == 303
            target = urljoin(ISSUER + path, location)
            if not target.startswith(ISSUER + "/"):
                self.path = location
                return self
            path, method, form = target.removeprefix(ISSUER), "GET", None
        raise AssertionError(f"redirected for ever, to {path}")

    def submit(
        self, values: Mapping[str, str] | None = None, *, action: str = "", button: str = ""
    ) -> "Person":
        """Fill the form that has these fields, this action or button, and send it."""
        parser = _Forms()
        parser.feed(self.page.text)
        for form in parser.forms:
            pressed = dict(pair for pair in form["buttons"] if button in pair)
            if (
                set(values or {}) <= set(form["names"])
                and action in form["action"]
                and (pressed or not button)
            ):
                target = urljoin(self.path, form["action"])
                return self.go(target, "POST", {**form["fields"], **pressed, **(values or {})})
        raise AssertionError(f"no such form at {self.path}: {self.page.text[:600]}")

    def sign_in(self, username: str | None = None, password: str = PASSWORD) -> "Person":
        """Sign in at the page that is in front; at the account pages when there is none."""
        if self.step != "sign_in":
            self.go("/account")
        return self.submit({"username": username or self.username, "password": password})

    def prove(self) -> "Person":
        """Pass the second factor, through the notice when there is one."""
        if self.step == "notice":
            self.submit(action="/notice")
        return self.submit({"code": self.server.totp(self.username)})

    @property
    def step(self) -> str:
        """Which page is in front: ``sign_in``, the step of an interruption, ``application``, or the path."""
        parts = urlsplit(self.path)
        if parts.scheme:
            return "application"
        if parts.path.startswith("/interaction/"):
            return parts.path.rsplit("/", 1)[1]
        return "sign_in" if parts.path.startswith("/sign-in") else parts.path

    @property
    def answer(self) -> dict[str, str]:
        """What the application was given."""
        assert self.step == "application", f"{self.path}: {self.page.text[:600]}"
        return parameters_of(self.path)


class Application:
    """An application: what it sends people with, and its back door."""

    def __init__(self, server: Server, client_id: str, secret: str, method: str, redirect_uri: str) -> None:
        self.server, self.id, self.secret, self.method = server, client_id, secret, method
        self.redirect_uri = redirect_uri

    def request(self, **changes: str | None) -> dict[str, str]:
        """Return the parameters of a good authorization request, changed; None leaves one out."""
        parameters: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid profile email offline_access",
            "state": "a state",
            "nonce": "a-nonce",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in parameters.items() if value is not None}

    def url(self, **changes: str | None) -> str:
        """Return where people are sent."""
        return "/authorize?" + urlencode(self.request(**changes))

    def ask(self, person: Person, **changes: str | None) -> dict[str, str]:
        """Send a person for a code, and return what came back without a page."""
        return person.go(self.url(**changes)).answer

    def code(self, person: Person, **changes: str | None) -> str:
        """Get a code for a person, who signs in first if need be."""
        person.go(self.url(**changes))
        if person.step == "sign_in":
            person.sign_in()
        return person.answer["code"]

    def post(self, path: str, **form: str) -> TestResponse:
        """Call an endpoint, authenticated as registered."""
        headers = {}
        if self.method == "client_secret_basic":
            headers["Authorization"] = basic(self.id, self.secret)
        elif self.method == "private_key_jwt":
            form = {**signing.assertion(self), **form}
        else:
            form = {"client_id": self.id, **form}
        if self.method == "client_secret_post":
            form = {"client_secret": self.secret, **form}
        return self.server.send("POST", path, form, headers)

    def redeem(self, code: str, /, **changes: str | None) -> TestResponse:
        """Ask for tokens with a code."""
        form: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
            **changes,
        }
        return self.post("/token", **{name: value for name, value in form.items() if value is not None})

    def tokens(self, person: Person, **changes: str | None) -> dict[str, Any]:
        """Get tokens for a person."""
        answer = self.redeem(self.code(person, **changes))
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())

    def refresh(self, refresh_token: str, **changes: str) -> TestResponse:
        """Ask for new tokens with a refresh token."""
        return self.post("/token", grant_type="refresh_token", refresh_token=refresh_token, **changes)

    def userinfo(self, access_token: str, method: str = "GET") -> TestResponse:
        """Ask for claims."""
        return self.server.send(method, "/userinfo", headers={"Authorization": f"Bearer {access_token}"})

    def introspect(self, token: str, **form: str) -> dict[str, Any]:
        """Ask what a token is worth."""
        return dict(self.post("/introspect", token=token, **form).get_json())

    def claims(self, id_token: str) -> dict[str, Any]:
        """Return the claims of an ID token whose signature is good."""
        return dict(jwt.decode(id_token, self.server.keys(), ["RS256"]).claims)

    def row(self) -> Client:
        """Return the client as stored; call it in ``arranging``."""
        return session().get_one(Client, self.id)


def basic(client_id: str, secret: str) -> str:
    """Return the header of ``client_secret_basic`` (RFC 6749 section 2.3.1)."""
    return "Basic " + b64encode(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()).decode()


def parameters_of(url: str) -> dict[str, str]:
    """Return the parameters of a URL, each of which is there once."""
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs), url
    return dict(pairs)


def error_of(response: TestResponse) -> tuple[int, str]:
    """Return status and error code of a JSON answer."""
    return response.status_code, json.loads(response.text or "{}").get("error", "")


def user_of(person: Person) -> User:
    """Return the user as stored; call it in ``arranging``."""
    return session().get_one(User, person.user_id)
