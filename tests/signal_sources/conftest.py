"""Fixtures: a server that listens, and a transmitter that tells it whatever a test wants, right or wrong."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import pytest
import requests
from flask import Flask, jsonify, request
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from idprotect.event_types import RISK_LEVEL_CHANGE
from idprotect.models import ReceivedSignal, RiskDetection, SignalSource, User, session
from idprotect.oidc.client_keys import KeyCache
from idprotect.senders import outgoing
from idprotect.signal_sources import sources
from idprotect.signal_sources.sources import Wanted
from idprotect.testing import Person, Provider, running, serve

AUDIENCE = "https://us.example"
HIGH = {"principal": "USER", "current_level": "HIGH", "previous_level": "LOW"}
_numbers = count()


@dataclass
class Transmitter:
    """Somebody who tells of security events, by a key of their own."""

    url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}))
    is_away: bool = False
    forgets: bool = True
    waiting: dict[str, str] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)

    def app(self, url: str) -> Flask:
        """Serve metadata and keys."""
        self.url = url
        app = Flask("transmitter")

        @app.get("/.well-known/ssf-configuration")
        def configuration() -> Any:
            stream = f"{self.url}/stream"
            return jsonify(issuer=self.url, jwks_uri=f"{self.url}/jwks", configuration_endpoint=stream)

        @app.get("/jwks")
        def jwks() -> Any:
            if self.is_away:
                return "away", 503
            return jsonify(KeySet([self.key]).as_dict(private=False))

        @app.post("/poll")
        def poll() -> Any:
            body = request.get_json()
            self.asked.append((request.headers["Authorization"], body))
            if self.forgets:
                for jti in (*body["ack"], *body["setErrs"]):
                    self.waiting.pop(jti, None)
            return jsonify(sets=self.waiting)

        @app.post("/stream")
        def stream() -> Any:
            return jsonify(stream_id="one", aud="somebody else", delivery={"method": "x"}), 201

        return app

    def claims(
        self, subject: Any, event_type: str = RISK_LEVEL_CHANGE, members: Any = None
    ) -> dict[str, Any]:
        """Return the claims of an event."""
        return {
            "iss": self.url,
            "aud": AUDIENCE,
            "iat": int(time.time()),
            "jti": f"event-{next(_numbers)}",
            "sub_id": subject,
            "events": {event_type: HIGH if members is None else members},
        }

    def sign(self, claims: Any, key: Any = None, **header: Any) -> str:
        """Sign a token."""
        header = {"alg": "RS256", "kid": "one", "typ": "secevent+jwt", **header}
        header = {name: value for name, value in header.items() if value is not None}
        return str(jwt.encode(header, claims, key or self.key, [header["alg"]]))


@dataclass
class Source:
    """A source of a server, with the transmitter behind it."""

    provider: Provider
    transmitter: Transmitter
    id: str
    token: str

    @property
    def url(self) -> str:
        """Where events go."""
        return f"{self.provider.issuer}/signals/{self.id}"

    def push(self, token: str | bytes, **headers: str | None) -> requests.Response:
        """Send something as the transmitter would."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/secevent+jwt",
            "Accept": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        kept = {name: value for name, value in headers.items() if value is not None}
        return requests.post(self.url, data=token, headers=kept, timeout=10, allow_redirects=False)

    def tell(
        self, who: Person | dict[str, Any], event_type: str = RISK_LEVEL_CHANGE, members: Any = None
    ) -> str:
        """Tell of somebody; return what came of it."""
        subject = ours(self.provider, who) if isinstance(who, Person) else who
        claims = self.transmitter.claims(subject, event_type, members)
        answer = self.push(self.transmitter.sign(claims))
        assert answer.status_code == 202, answer.text
        assert answer.content == b""
        return self.outcomes()[claims["jti"]]

    def outcomes(self) -> dict[str, str]:
        """Return ``jti`` → outcome of everything that came."""
        with self.provider.app.app_context():
            rows = session().query(ReceivedSignal).filter_by(source_id=self.id).all()
            return {row.jti: row.outcome for row in rows}

    def act(self, verb: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Let somebody act on the source."""
        with self.provider.arranging():
            return verb(session().get_one(SignalSource, self.id), *arguments, **options)

    def row(self) -> SignalSource:
        """Return the source as it is stored."""
        with self.provider.app.app_context():
            found = session().get_one(SignalSource, self.id)
            session().expunge(found)
            return found


def ours(provider: Provider, person: Person) -> dict[str, Any]:
    """Name somebody by our own sub."""
    return {"format": "iss_sub", "iss": provider.issuer, "sub": person.id}


def risk_of(person: Person) -> str:
    """Return the level of somebody now."""
    with person.provider.app.app_context():
        return session().get_one(User, person.id).risk.label


def detections_of(person: Person) -> list[RiskDetection]:
    """Return what was found of somebody, oldest first."""
    with person.provider.app.app_context():
        found = (
            session().query(RiskDetection).filter_by(user_id=person.id).order_by(RiskDetection.detected_at)
        )
        rows = found.all()
        session().expunge_all()
        return rows


@pytest.fixture(autouse=True)
def busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let answers take their time: how busy the machine of the tests is, is no property of ours."""
    monkeypatch.setattr(outgoing, "PATIENCE", 30.0)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """Run a server."""
    with running() as provider:
        yield provider


Listen = Callable[..., Source]


@pytest.fixture
def listen() -> Iterator[Callable[..., Source]]:
    """Return a function that lets a server listen to a new transmitter."""
    with ExitStack() as stack:

        def make(provider: Provider, **wanted: Any) -> Source:
            transmitter = Transmitter()
            stack.enter_context(serve(transmitter.app, name="localhost"))
            asked = Wanted(
                name=f"source{next(_numbers)}",
                issuer=transmitter.url,
                audience=AUDIENCE,
                jwks_uri=f"{transmitter.url}/jwks",
                subjects=("ours", "iss_sub", "email", "phone_number"),
            )
            secret = wanted.pop("secret", None)
            provider.app.extensions["idprotect"].client_keys = KeyCache()  # a port may be used again
            with provider.arranging():
                source, token = sources.add(replace(asked, **wanted), "test", secret=secret)
                return Source(provider, transmitter, source.id, token or "")

        yield make


@pytest.fixture
def source(provider: Provider, listen: Listen) -> Source:
    """Listen to a transmitter."""
    return listen(provider)
