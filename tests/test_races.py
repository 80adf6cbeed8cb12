"""Many at once: single-use things are used once, limits hold, and nobody gets an error of ours.

Every race is run against gunicorn with two processes, over SQLite and over PostgreSQL. `IDPROTECT_RACE_ROUNDS` sets
how often; the requirement's own numbers (security-requirements.md, section 12) take an hour.
"""

import http.client
import json
import os
import secrets
import subprocess
import sys
import time
import tomllib
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from email.message import Message
from functools import partial
from http.cookies import SimpleCookie
from itertools import count
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.parse import urlencode, urlsplit

import pyotp
import pytest
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from sqlalchemy import create_engine, delete, func, select, text
from sqlalchemy.pool import NullPool

from idprotect import (
    clients,
    consents,
    migrations,
    passes,
    policies,
    protection,
    session_cookie,
    sign_ins,
    terms,
    users,
)
from idprotect.audit import Event
from idprotect.browser import Visitor
from idprotect.errors import InteractionError, NotFound, PolicyError
from idprotect.gate import Access
from idprotect.keys import sha256
from idprotect.methods import recovery
from idprotect.models import (
    AuditEvent,
    Authenticator,
    AuthorizationCode,
    Client,
    DeviceGrant,
    PolicyVersion,
    SignIn,
    TermsAcceptance,
    Throttle,
    Token,
    User,
    session,
)
from idprotect.oidc import device, dynamic_registration, initial_access
from idprotect.oidc.device import StoredDevice
from idprotect.oidc.token_exchange import ACCESS_TOKEN
from idprotect.registration import DEVICE_CODE, TOKEN_EXCHANGE, Registration
from idprotect.risk import RiskLevel
from idprotect.risk.detections import reports
from idprotect.runtime import runtime
from tests.oidc import signing
from tests.oidc.server import Application, basic
from tests.support import PROJECT
from tests.support.documents import documents
from tests.support.live import Gunicorn, gunicorn
from tests.support.passkeys import Passkey
from tests.support.world import (
    CHEAP,
    PASSWORD,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    Clock,
    World,
    _Forms,
    build_app,
    query_of,
)

# Every variable that begins so is a setting of the server, which this is not.
ROUNDS = int(os.environ.pop("IDPROTECT_RACE_ROUNDS", "5"))
THREADS, MACHINES = 8, 4
CALLBACK = "https://app.example/callback"
SECRET = secrets.token_urlsafe(32)
VERIFIER = "the-verifier-of-all-races-is-no-secret-at-all"

POLICIES: dict[str, Any] = {
    "policy": [
        {
            "name": "careful people",
            "state": "on",
            "who": {"groups": ["careful"]},
            "then": {"require": ["mfa"]},
        },
        {
            "name": "new people",
            "state": "on",
            "who": {"groups": ["new"]},
            "then": {"require": ["registration"], "skip_days": 14},
        },
        {
            "name": "risky sign-ins",
            "state": "on",
            "when": {"sign_in_risk": ["medium", "high"]},
            "then": {"require": ["mfa"]},
        },
        {
            "name": "risky people",
            "state": "on",
            "when": {"user_risk": ["medium", "high"]},
            "then": {"require": ["block"]},
        },
    ]
}


@dataclass(frozen=True)
class Shot:
    """A request, ready to be sent."""

    path: str
    form: dict[str, str] | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Message
    text: str

    @property
    def location(self) -> str:
        """Where it leads to."""
        return self.headers.get("Location", "")

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.text)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies it sets."""
        cookie: SimpleCookie = SimpleCookie()
        for line in self.headers.get_all("Set-Cookie", []):
            cookie.load(line)
        return {name: morsel.value for name, morsel in cookie.items()}

    @property
    def gave_a_session(self) -> bool:
        """Whether it carries a new sign-in cookie: the one who got it is in."""
        return bool(self.cookies.get("idprotect-session"))


class Arena:
    """A server of two processes, and the same database in our own hands."""

    def __init__(self, world: World, server: Gunicorn, crowd: ThreadPoolExecutor) -> None:
        self.world = world
        self._server = server
        self._crowd = crowd
        self._numbers = count()

    def volley(self, shots: Sequence[Shot], *meanwhile: Callable[[], object]) -> list[Answer]:
        """Send requests at the same moment, while other things happen; none may be answered by an error of ours."""
        barrier = Barrier(len(shots) + len(meanwhile))
        others = [self._crowd.submit(self._at_once, barrier, act) for act in meanwhile]
        sent = [self._crowd.submit(self._send, shot, barrier) for shot in shots]
        answers = [future.result(60) for future in sent]
        for other in others:
            other.result(60)
        for answer in answers:
            assert answer.status < 500, f"{answer.status}: {self._server.log()[-4000:]}"
        return answers

    def all_at_once(self, act: Callable[[], Any], times: int = THREADS) -> list[Any]:
        """Do something in the database many times at once; return the results, exceptions of ours included."""
        barrier = Barrier(times)

        def one() -> Any:
            try:
                return self._at_once(barrier, act)
            except (InteractionError, NotFound, PolicyError) as error:
                return error

        return [future.result(60) for future in [self._crowd.submit(one) for _ in range(times)]]

    def send(self, shot: Shot) -> Answer:
        """Send one request."""
        return self.volley([shot])[0]

    def an_hour_passes(self) -> None:
        """Forget what was counted."""
        with self.world.arranging():
            session().execute(delete(Throttle))

    def new_user(self, *groups: str, **traits: Any) -> str:
        """Make another user; return the name."""
        username = f"{'-'.join(groups) or 'ada'}{next(self._numbers)}"
        self.world.make_user(username, groups=groups, **traits)
        return username

    def code_of(self, username: str) -> str:
        """Return what the user's authenticator app shows."""
        return pyotp.TOTP(self.world._seeds[username]).now()

    def count(self, statement: Any) -> int:
        """Return how many rows a query finds."""
        with self.world.arranging():
            return session().scalar(select(func.count()).select_from(statement.subquery())) or 0

    def events(self, event: Event, username: str) -> int:
        """Return how often something stands in the audit log about a user."""
        user_id = self.world.read(lambda user: user.id, username)
        return self.count(
            select(AuditEvent).where(AuditEvent.name == str(event), AuditEvent.user_id == user_id)
        )

    def token(self, **form: str) -> Shot:
        """Return a request to the token endpoint."""
        return Shot("/token", form, _basic())

    def is_active(self, token: str) -> bool:
        """Whether the client is told that a token may be used."""
        return bool(self.send(Shot("/introspect", {"token": token}, _basic())).json["active"])

    def living(self, username: str) -> int:
        """Return how many of a user's tokens were not revoked."""
        user_id = self.world.read(lambda user: user.id, username)
        return self.count(select(Token).where(Token.user_id == user_id, Token.revoked_at.is_(None)))

    def _send(self, shot: Shot, barrier: Barrier) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", urlsplit(self.world.url).port, timeout=60)
        headers = {"Host": urlsplit(self.world.url).netloc, "Accept": "text/html", **shot.headers}
        body = None
        if shot.form is not None:
            body = urlencode(shot.form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.connect()
            barrier.wait(30)
            connection.request("GET" if body is None else "POST", shot.path, body, headers)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read().decode())
        finally:
            connection.close()

    def _at_once(self, barrier: Barrier, act: Callable[[], Any]) -> Any:
        with self.world.app.app_context():
            barrier.wait(30)
            result = act()
            session().commit()
            return result


class Visit:
    """A browser at the server: its cookies, and the page in front of it."""

    def __init__(self, arena: Arena, address: str = "198.51.100.10") -> None:
        self.arena = arena
        self.cookies: dict[str, str] = {}
        self.address = address
        self.path = ""
        self.page = Answer(0, Message(), "")

    def shot(self, path: str, form: dict[str, str] | None = None) -> Shot:
        """Return a request of this browser."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return Shot(
            path, form, {"Cookie": cookies, "X-Forwarded-For": self.address, "User-Agent": "Firefox/140.0"}
        )

    def go(self, path: str, form: dict[str, str] | None = None, *, follow: bool = True) -> "Visit":
        """Send a request and follow redirects, but not to the application."""
        while True:
            self.path, self.page = path, self.arena.send(self.shot(path, form))
            self.cookies.update(self.page.cookies)
            target = self.page.location
            if not follow or not target or target.startswith(CALLBACK):
                return self
            path, form = target, None

    def ask_for_a_code(self, scope: str = "openid offline_access", **extra: str) -> "Visit":
        """Come from the application."""
        parameters = {
            "response_type": "code",
            "client_id": "races",
            "redirect_uri": CALLBACK,
            "scope": scope,
            "state": "s",
            "code_challenge": create_s256_code_challenge(VERIFIER),
            "code_challenge_method": "S256",
            **extra,
        }
        return self.go("/authorize?" + urlencode(parameters))

    def form(self, action: str = "", **values: str) -> Shot:
        """Return the page's form, filled, as a request that is not sent yet."""
        parser = _Forms()
        parser.feed(self.page.text)
        fitting = [f for f in parser.forms if action in f["action"] and values.keys() <= set(f["names"])]
        assert fitting, f"no such form at {self.path}: {self.page.status} {self.page.text[:2000]}"
        return self.shot(fitting[0]["action"], {**fitting[0]["fields"], **values})

    def submit(self, action: str = "", *, follow: bool = True, **values: str) -> "Visit":
        """Fill the page's form and send it."""
        shot = self.form(action, **values)
        return self.go(shot.path, shot.form, follow=follow)

    def sign_in(self, username: str, password: str = PASSWORD, *, follow: bool = True) -> "Visit":
        """Fill the sign-in page."""
        return self.submit("/sign-in/", username=username, password=password, follow=follow)

    @property
    def code(self) -> str:
        """The code that the application was given."""
        return query_of(self.page.location)["code"]


def _basic() -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"races:{SECRET}".encode()).decode()}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, keys: Path
) -> Iterator[Arena]:
    """Run the server on each database."""
    folder = tmp_path_factory.mktemp("arena")
    folder.chmod(0o700)
    with ExitStack() as stack:
        database = ""
        if request.param == "postgresql":
            database = stack.enter_context(request.getfixturevalue("postgres").database())
        worlds: list[World] = []

        def environment(url: str) -> dict[str, str]:
            app = build_app(url, folder, keys, IDPROTECT_DATABASE_URL=database)
            worlds.append(World(app, url, Clock(), folder))
            worlds[0].list_address()  # before the workers start: they look at a list once a second only
            with app.app_context():
                migrations.upgrade()
            given = {
                **CHEAP,
                "IDPROTECT_ISSUER": url,
                "IDPROTECT_INSTANCE_DIR": folder,
                "IDPROTECT_ADDRESS_LISTS": f"anonymous={folder / 'anonymous.txt'}",
                "IDPROTECT_DATABASE_URL": database,
                "IDPROTECT_CLIENT_ID_METADATA_DOCUMENTS": True,
                # Everybody comes from one address here, and many fail.
                "IDPROTECT_DETECTIONS_OFF": "suspicious_ip,password_spray,unfamiliar_sign_in",
            }
            return {key: ",".join(v) if isinstance(v, tuple) else str(v) for key, v in given.items()}

        shipped = ["--config", "python:idprotect.gunicorn_settings"]
        arguments = [*shipped, "--workers", "2", "--threads", str(THREADS), "wsgi:app"]
        server = stack.enter_context(gunicorn(arguments, environment, name="localhost", ready="/health"))
        world = worlds[0]
        crowd = stack.enter_context(ThreadPoolExecutor(2 * THREADS))
        with world.arranging():
            policies.apply(POLICIES, "test")
            racer = Registration(client_name="Races", redirect_uris=(CALLBACK,), first_party=True)
            clients.create(racer, by="test", client_id="races", secret=SECRET)
        yield Arena(world, server, crowd)
        with world.app.app_context():
            runtime().db.engine.dispose()


@pytest.fixture
def arena(running: Arena) -> Arena:
    """Begin with nothing counted."""
    running.an_hour_passes()
    return running


def signed_in(arena: Arena, username: str, **options: Any) -> Visit:
    """Return a browser in which a user just signed in and was given a code."""
    return Visit(arena, **options).ask_for_a_code().sign_in(username)


def tokens_for(arena: Arena, code: str) -> dict[str, Any]:
    """Redeem a code."""
    answer = arena.send(_redeeming(arena, code))
    assert answer.status == 200, answer.text
    tokens: dict[str, Any] = answer.json
    return tokens


def _redeeming(arena: Arena, code: str) -> Shot:
    return arena.token(
        grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=VERIFIER
    )


def _refreshing(arena: Arena, refresh_token: str) -> Shot:
    return arena.token(grant_type="refresh_token", refresh_token=refresh_token)


def the_one(answers: Sequence[Answer], status: int = 200) -> Answer:
    """Return the one answer of success; all others must be refusals."""
    good = [answer for answer in answers if answer.status == status]
    assert len(good) == 1, [answer.status for answer in answers]
    return good[0]


# Codes and tokens


def test_a_code_is_redeemed_once_and_what_came_of_it_is_revoked(arena: Arena) -> None:
    """I5, RFC 6749 4.1.2, RFC 9700 4.5: of eight redemptions one gets tokens, which the others then kill."""
    for _ in range(ROUNDS):
        visit = signed_in(arena, arena.new_user())  # reuse makes the user compromised
        code = visit.ask_for_a_code().code
        answers = arena.volley([_redeeming(arena, code)] * THREADS)
        tokens = the_one(answers).json
        assert {a.json["error"] for a in answers if a.status != 200} == {"invalid_grant"}
        assert not arena.is_active(tokens["access_token"])
        assert not arena.is_active(tokens["refresh_token"])
        assert arena.send(_refreshing(arena, tokens["refresh_token"])).json["error"] == "invalid_grant"


def test_a_refresh_token_is_rotated_once_and_its_reuse_kills_the_family(arena: Arena) -> None:
    """I5, RFC 9700 4.14: of eight refreshes one succeeds, and nothing of the family is worth anything afterwards."""
    for _ in range(ROUNDS):
        username = arena.new_user()  # reuse makes the user compromised
        visit = signed_in(arena, username)
        tokens = tokens_for(arena, visit.ask_for_a_code().code)
        rotated = the_one(arena.volley([_refreshing(arena, tokens["refresh_token"])] * THREADS)).json
        assert not arena.is_active(rotated["access_token"])
        assert not arena.is_active(tokens["access_token"])
        assert arena.send(_refreshing(arena, rotated["refresh_token"])).json["error"] == "invalid_grant"
        assert arena.living(username) == 0


def test_a_stolen_refresh_token_kills_the_family_also_while_its_owner_refreshes(arena: Arena) -> None:
    """RFC 9700 4.14: a token that is being issued when the reuse is noticed does not slip through."""
    for _ in range(2 * ROUNDS):
        username = arena.new_user()  # reuse makes the user compromised
        visit = signed_in(arena, username)
        stolen = tokens_for(arena, visit.ask_for_a_code().code)["refresh_token"]
        newest = arena.send(_refreshing(arena, stolen)).json["refresh_token"]
        arena.volley([_refreshing(arena, stolen)] * 3 + [_refreshing(arena, newest)])
        assert arena.living(username) == 0


@pytest.mark.parametrize("grant", ["code", "refresh token"])
def test_a_revoked_consent_wins_over_a_grant_at_the_same_moment(arena: Arena, grant: str) -> None:
    """A 10.4.5, section 7: deliberate revocation always wins: no token that is being issued survives it."""
    username = arena.new_user()
    visit = signed_in(arena, username)

    def revoke() -> None:
        time.sleep(secrets.randbelow(20) / 1000)
        consents.revoke(users.get(username), "races")

    for _ in range(2 * ROUNDS):
        codes = [visit.ask_for_a_code().code for _ in range(3)]
        shots = [_redeeming(arena, code) for code in codes]
        if grant == "refresh token":
            shots = [_refreshing(arena, tokens_for(arena, code)["refresh_token"]) for code in codes]
        arena.volley(shots, revoke)
        assert arena.living(username) == 0


def test_a_refresh_token_that_its_client_revokes_does_not_live_on(arena: Arena) -> None:
    """RFC 7009: revoking while refreshing leaves no token of the family."""
    username = arena.new_user()
    visit = signed_in(arena, username)
    for _ in range(2 * ROUNDS):
        refresh_token = tokens_for(arena, visit.ask_for_a_code().code)["refresh_token"]
        revoking = Shot("/revoke", {"token": refresh_token}, _basic())
        arena.volley([_refreshing(arena, refresh_token), revoking])
        assert arena.living(username) == 0


def registered(arena: Arena, **metadata: Any) -> Application:
    """Register another application."""
    given = {"client_name": "Racer", "redirect_uris": (CALLBACK,), "first_party": True, **metadata}
    with arena.world.arranging():
        client, secret = clients.create(Registration(**given), by="test")
        return Application(arena.world, client.id, secret or "", "", CALLBACK)  # type: ignore[arg-type]


def test_what_is_exchanged_while_its_token_is_revoked_is_worth_nothing(arena: Arena) -> None:
    """C014: a token that is being given out needs no write of whoever ends the one behind it."""
    api = registered(arena, grant_types=(TOKEN_EXCHANGE,), scope="openid", resource_identifier="races")
    proved = {"Authorization": basic(api.id, api.secret)}
    username = arena.new_user()
    visit = signed_in(arena, username)
    for _ in range(ROUNDS):
        token = tokens_for(arena, visit.ask_for_a_code().code)["access_token"]
        form = {"grant_type": TOKEN_EXCHANGE, "subject_token": token, "subject_token_type": ACCESS_TOKEN}
        revoking = Shot("/revoke", {"token": token}, _basic())
        *answers, revoked = arena.volley([Shot("/token", form, proved)] * 3 + [revoking])
        assert revoked.status == 200
        for answer in answers:
            if answer.status == 200:
                looking = Shot("/introspect", {"token": answer.json["access_token"]}, proved)
                assert arena.send(looking).json == {"active": False}
            else:
                assert answer.json["error"] == "invalid_request"


def test_an_assertion_authenticates_once(arena: Arena) -> None:
    """SR6 jti once: of eight requests with one assertion one is the client's."""
    signer = registered(arena, token_endpoint_auth_method="private_key_jwt", jwks=signing.public(signing.KEY))
    for _ in range(ROUNDS):
        form = {"token": "x", **signing.assertion(signer, aud=arena.world.url)}
        answers = arena.volley([Shot("/introspect", form)] * THREADS)
        the_one(answers)
        assert {a.status for a in answers} == {200, 401}


def test_a_device_gets_tokens_once(arena: Arena) -> None:
    """O 8628 3.4: of eight questions after the answer one gets tokens; of eight answers one counts."""
    metadata = {"token_endpoint_auth_method": "none", "grant_types": (DEVICE_CODE,), "redirect_uris": ()}
    television = registered(arena, **metadata)
    username = arena.new_user()
    signed_in(arena, username)
    user_id = arena.world.read(lambda user: user.id, username)
    for _ in range(ROUNDS):
        asking = Shot("/device-authorization", {"client_id": television.id, "scope": "openid"})
        codes = arena.send(asking).json

        def allow(user_code: str = codes["user_code"]) -> bool:
            row = session().query(DeviceGrant).filter_by(user_hash=sha256(device.plain(user_code))).one()
            sign_in = session().query(SignIn).filter_by(user_id=user_id).one()
            current = session_cookie.find(sign_in.id)
            return device.approve(StoredDevice(row), Access(current, television.id))

        assert sorted(arena.all_at_once(allow)) == [False] * (THREADS - 1) + [True]
        form = {"grant_type": DEVICE_CODE, "client_id": television.id, "device_code": codes["device_code"]}
        answers = arena.volley([Shot("/token", form)] * THREADS)
        the_one(answers)
        assert {a.json["error"] for a in answers if a.status != 200} == {"invalid_grant"}


def test_a_users_code_takes_ten_guesses_however_many_come_at_once(arena: Arena) -> None:
    """O 8628 5.1, I10: guesses that come together are counted before they are compared."""
    arena.an_hour_passes()
    guesses = [Shot("/device/confirm?user_code=BBBB-BBBB")] * THREADS
    answers = [answer for _ in range(3) for answer in arena.volley(guesses)]
    assert sorted(a.status for a in answers) == [400] * 10 + [429] * (3 * THREADS - 10)


def test_an_initial_access_token_registers_as_often_as_it_says(arena: Arena) -> None:
    """O 7591 3: of eight registrations with a token for two, two succeed."""
    document = {"client_name": "Racer", "redirect_uris": [CALLBACK]}

    def register() -> object:
        try:
            return dynamic_registration.register(document, value)
        except OAuth2Error:
            session().rollback()
            return None

    for _ in range(ROUNDS):
        with arena.world.arranging():
            value = initial_access.mint("test", uses=2)[1]
        assert sum(told is not None for told in arena.all_at_once(register)) == 2


def test_a_client_appears_once_however_many_ask_first(arena: Arena) -> None:
    """C016: of eight first requests some wait for the document, others are told to come again; there is one client."""
    with documents() as shelf:
        for number in range(ROUNDS):
            arena.an_hour_passes()
            url = shelf.url + f"/{number}"
            document = {"client_id": url, "redirect_uris": [CALLBACK], "client_name": "Racer"}
            shelf.put(f"/{number}", document, waits=lambda: time.sleep(0.3))
            request = {"response_type": "code", "client_id": url, "redirect_uri": CALLBACK, "scope": "openid"}
            pkce = {"code_challenge": create_s256_code_challenge(VERIFIER), "code_challenge_method": "S256"}
            shot = Shot("/authorize?" + urlencode({**request, **pkce}))
            answers = arena.volley([shot] * THREADS)
            assert {answer.status for answer in answers} <= {303, 400}
            assert 303 in {answer.status for answer in answers}
            assert arena.send(shot).status == 303
            assert arena.count(select(Client).where(Client.id == url)) == 1
            assert arena.count(select(AuditEvent).where(AuditEvent.client_id == url)) == 1


def test_a_waiting_authorization_is_resumed_once(arena: Arena) -> None:
    """I5, F073: eight tabs come back at once; one code goes out."""
    username = arena.new_user()
    for _ in range(ROUNDS):
        visit = Visit(arena)
        waiting = visit.ask_for_a_code().path.replace("/sign-in/", "/authorize/")
        tokens_for(arena, visit.ask_for_a_code().sign_in(username).code)
        _gives_one_code(arena, username, [visit.shot(waiting)] * THREADS)


def test_a_password_sent_in_parallel_gets_one_code(arena: Arena) -> None:
    """I5, F073: each is a sign-in of its own, and one of them takes what waited."""
    username = arena.new_user()
    for _ in range(ROUNDS):
        page = Visit(arena).ask_for_a_code()
        _gives_one_code(arena, username, [page.form("/sign-in/", username=username, password=PASSWORD)] * 4)


def _gives_one_code(arena: Arena, username: str, shots: list[Shot]) -> None:
    answers = arena.volley(shots)
    codes = [a.location for a in answers if a.location.startswith(CALLBACK)]
    assert len(codes) == 1
    assert "code=" in codes[0]
    assert {a.status for a in answers} == {303, 400}
    user_id = arena.world.read(lambda user: user.id, username)
    unused = select(AuthorizationCode).where(
        AuthorizationCode.user_id == user_id, AuthorizationCode.used_at.is_(None)
    )
    assert arena.count(unused) == 1
    tokens_for(arena, query_of(codes[0])["code"])


@pytest.fixture
def blocked_when_risky(arena: Arena) -> Iterator[None]:
    """Let other policies be in force for one test."""
    with arena.world.arranging():
        policies.apply(tomllib.loads(SIGN_IN_RISK_POLICY), "test")
    yield
    with arena.world.arranging():
        policies.apply(POLICIES, "test")


@pytest.mark.usefixtures("blocked_when_risky")
def test_a_short_pass_is_used_once(arena: Arena) -> None:
    """I5, D27: eight tabs of the stopped browser come back at once; the pass is used by one, and holds for its sign-in."""
    for _ in range(ROUNDS):
        username = arena.new_user()
        visit = Visit(arena).ask_for_a_code().sign_in(username)
        user_id = arena.world.read(lambda user: user.id, username)
        with arena.world.arranging():
            row = session().scalars(select(SignIn).where(SignIn.user_id == user_id)).one()
            row.risk_level = int(RiskLevel.HIGH)
            passes.issue(row, "test", "test")
        answers = arena.volley([visit.shot("/account")] * THREADS)
        assert {answer.status for answer in answers} == {303}
        assert not any(answer.location.endswith("/block") for answer in answers)
        assert arena.events(Event.PASS_USED, username) == 1


# Factors


def test_a_text_message_code_is_accepted_once(arena: Arena) -> None:
    """I5, A 6.5.1: of eight submissions of the right code one opens the door."""
    for _ in range(ROUNDS):
        arena.an_hour_passes()
        username = arena.new_user("careful", authenticators=("sms",))
        visit = signed_in(arena, username).submit("do=send")
        answers = arena.volley([visit.form(code=arena.world.sms_code())] * THREADS)
        assert sum(answer.gave_a_session for answer in answers) == 1
        assert arena.events(Event.MFA_PASSED, username) == 1


def test_a_code_of_an_app_is_accepted_once_over_all_sessions(arena: Arena) -> None:
    """I5, A 6.5.1: a time step counts once, also for two browsers with the password at the same time."""
    for _ in range(ROUNDS):
        username = arena.new_user("careful", authenticators=("totp",))
        one, other = signed_in(arena, username), signed_in(arena, username)
        code = arena.code_of(username)
        answers = arena.volley([one.form(code=code), other.form(code=code)] * (THREADS // 2))
        assert sum(answer.gave_a_session for answer in answers) == 1
        assert arena.events(Event.MFA_PASSED, username) == 1


def test_an_answer_of_a_passkey_is_accepted_once(arena: Arena) -> None:
    """I5, C026: a challenge is answered once; and so is the one by which a passkey is set up."""
    for _ in range(ROUNDS):
        username, passkey = arena.new_user("new"), Passkey(arena.world.url, synced=True)
        visit = signed_in(arena, username)
        choice = visit.form("/mfa_registration")
        visit.go(choice.path, {**(choice.form or {}), "method": "passkey"})
        answers = arena.volley([visit.form(code=passkey.made(visit.page.text))] * THREADS)
        assert sum(answer.gave_a_session for answer in answers) == 1
        assert arena.events(Event.FACTOR_ADDED, username) == 1
        arena.world.act(lambda user: setattr(user, "groups", ["careful"]), username)
        visit = signed_in(arena, username)
        passed = arena.events(Event.MFA_PASSED, username)
        answers = arena.volley([visit.form(code=passkey.signed(visit.page.text))] * THREADS)
        assert sum(answer.gave_a_session for answer in answers) == 1
        assert arena.events(Event.MFA_PASSED, username) == passed + 1


def test_a_recovery_code_is_accepted_once_over_all_sessions(arena: Arena) -> None:
    """I5, N 4.2: a recovery code that two browsers send opens one of them."""
    for _ in range(ROUNDS):
        username = arena.new_user("careful", authenticators=("totp",))
        code = arena.world.act(lambda user: recovery.replace(user)[0], username)
        visits = [signed_in(arena, username), signed_in(arena, username)]
        shots = [v.go(v.path + "?method=recovery_code").form("recovery_code", code=code) for v in visits]
        answers = arena.volley(shots * (THREADS // 2))
        assert sum(answer.gave_a_session for answer in answers) == 1
        assert arena.events(Event.MFA_PASSED, username) == 1


def test_a_temporary_password_opens_one_sign_in(arena: Arena) -> None:
    """I5, A 6.4.1: eight browsers send the same temporary password; one gets to choose a new one."""
    visits = [Visit(arena).ask_for_a_code() for _ in range(THREADS)]
    for _ in range(ROUNDS):
        arena.an_hour_passes()
        username = arena.new_user()
        temporary = arena.world.act(users.set_temporary_password, username, "admin")
        for visit in visits:
            visit.cookies.pop("idprotect-session", None)
            visit.go(visit.path)
        answers = arena.volley([v.form("/sign-in/", username=username, password=temporary) for v in visits])
        assert sum(answer.gave_a_session for answer in answers) == 1
        assert {answer.status for answer in answers} <= {303, 400, 429}
        assert arena.events(Event.SIGN_IN_SUCCEEDED, username) == 1


@pytest.fixture
def rules(arena: Arena) -> Iterator[str]:
    """Let some people be bound to rules of this test's own; return their name."""
    name = f"rules-{secrets.token_hex(4)}"
    bound = {"name": "bound people", "state": "on", "who": {"groups": ["bound"]}}
    with arena.world.arranging():
        terms.create(name, "The rules", "Be kind.", "test")
        policies.apply({"policy": [bound | {"then": {"terms_of_use": [name]}}]}, "test")
    yield name
    with arena.world.arranging():
        policies.apply(POLICIES, "test")


def _accepting(visit: Visit) -> Shot:
    form = visit.form("/terms_of_use")
    return visit.shot(form.path, {**(form.form or {}), "answer": "accept"})


def test_terms_are_accepted_once(arena: Arena, rules: str) -> None:
    """C068, I5: in two browsers of one person, four times each at the same moment: one row, one event."""
    for _ in range(ROUNDS):
        username = arena.new_user("bound")
        visits = [signed_in(arena, username) for _ in range(2)]
        shots = [_accepting(visit) for visit in visits]
        answers = arena.volley(shots * (THREADS // 2))
        assert {answer.status for answer in answers} == {303}
        user_id = arena.world.read(lambda user: user.id, username)
        assert arena.count(select(TermsAcceptance).where(TermsAcceptance.user_id == user_id)) == 1
        assert arena.events(Event.TERMS_ACCEPTED, username) == 1
        assert all("code=" in visit.ask_for_a_code().page.location for visit in visits)


def test_terms_published_while_they_are_accepted_are_asked_for_again(arena: Arena, rules: str) -> None:
    """C068: whichever comes first, what is accepted is what was shown, and no code goes out without the new one."""

    def publish() -> None:
        newest = terms.version(rules).version
        time.sleep(secrets.randbelow(20) / 1000)
        terms.publish(rules, "The rules", f"Version {newest + 1}.", "test", based_on=newest)

    for _ in range(ROUNDS):
        username = arena.new_user("bound")
        visit = signed_in(arena, username)
        shot = _accepting(visit)
        arena.volley([shot] * 3, publish)
        user_id = arena.world.read(lambda user: user.id, username)
        stale = select(TermsAcceptance).where(TermsAcceptance.user_id == user_id)
        shown = query_of(shot.path)["version"]
        assert arena.count(stale.where(TermsAcceptance.version != int(shown))) == 0
        assert visit.ask_for_a_code().path.endswith("/terms_of_use")


def test_a_version_of_terms_is_published_once(arena: Arena, rules: str) -> None:
    """C068: of eight at one moment one becomes the next version; the others are told."""
    for number in range(1, ROUNDS + 1):
        results = arena.all_at_once(
            lambda number=number: (
                terms.publish(
                    rules, "The rules", f"Text {number}, {secrets.token_hex(4)}", "test", based_on=number
                ).version
            )
        )
        assert [r for r in results if isinstance(r, int)] == [number + 1]
        assert all("meanwhile" in str(r) for r in results if not isinstance(r, int)), results


def test_no_policy_is_left_with_terms_that_were_deleted(arena: Arena) -> None:
    """C068: asked for by a policy and deleted at the same moment: whoever comes second sees the other."""
    for _ in range(2 * ROUNDS):
        name = f"rules-{secrets.token_hex(4)}"
        with arena.world.arranging():
            terms.create(name, "The rules", "Be kind.", "test")
        turns = count()

        def act(name: str = name, turns: "count[int]" = turns) -> object:
            if next(turns) % 2:
                return terms.delete(name, "test", "why")
            asking = {"name": "x", "who": {"groups": ["nobody"]}, "then": {"terms_of_use": [name]}}
            return policies.apply({"policy": [asking]}, "test").version

        arena.all_at_once(act)
        with arena.world.arranging():
            known = {row.name for row, _ in terms.everything()}
            assert policies.current().terms_of_use <= known
            policies.apply(POLICIES, "test")


def test_registration_is_put_off_once(arena: Arena) -> None:
    """I5: pressing "Not now" eight times is one skip in the audit log."""
    for _ in range(ROUNDS):
        username = arena.new_user("new")
        visit = signed_in(arena, username)
        answers = arena.volley([visit.form("do=skip")] * THREADS)
        assert {answer.status for answer in answers} == {303}
        assert arena.events(Event.REGISTRATION_SKIPPED, username) == 1


def test_a_factor_is_confirmed_once(arena: Arena) -> None:
    """I5, A 6.6.1: one submission adds the app and is shown the recovery codes, of which there is one set."""
    for _ in range(ROUNDS):
        username = arena.new_user("new")
        visit = signed_in(arena, username)
        choice = visit.form("/mfa_registration")
        visit.go(choice.path, {**(choice.form or {}), "method": "totp"})
        with arena.world.arranging():
            row = session().scalars(select(Authenticator).join(User).where(User.username == username)).one()
            from idprotect.methods.base import secret_of

            seed = secret_of(row)
        answers = arena.volley([visit.form(code=pyotp.TOTP(seed).now())] * THREADS)
        assert sum(answer.gave_a_session for answer in answers) == 1
        assert arena.events(Event.FACTOR_ADDED, username) == 1
        assert arena.world.read(lambda user: recovery.left(user.id), username) == recovery.CODES


# Limits


def test_a_challenge_takes_five_tries_however_many_come_at_once(arena: Arena) -> None:
    """A 6.6.3, I10: parallel guesses share the five tries of a challenge, and the right code comes too late."""
    for _ in range(ROUNDS):
        username = arena.new_user("careful", authenticators=("totp",))
        visit = signed_in(arena, username)
        answers = arena.volley([visit.form(code="000000")] * THREADS)
        assert sorted(a.status for a in answers) == [400] * 5 + [429] * (THREADS - 5)
        assert arena.events(Event.MFA_FAILED, username) == 5
        late = arena.send(visit.form(code=arena.code_of(username)))
        assert late.status == 429
        assert arena.events(Event.MFA_PASSED, username) == 0


def test_an_account_takes_ten_tries_an_hour_over_all_its_sign_ins(arena: Arena) -> None:
    """A 6.6.3, I10: who signs in anew to get new tries gets none."""
    for _ in range(max(1, ROUNDS // 2)):
        username = arena.new_user("careful", authenticators=("totp",))
        visits = [signed_in(arena, username) for _ in range(4)]
        for _ in range(3):
            arena.volley([visit.form(code="000000") for visit in visits] * 2)
        assert arena.events(Event.MFA_FAILED, username) == 10
        late = signed_in(arena, username)
        assert arena.send(late.form(code=arena.code_of(username))).status == 429


def test_a_text_message_code_takes_five_tries_over_all_methods(arena: Arena) -> None:
    """A 6.6.3: the challenge keeps its own count, incremented before the comparison."""
    for _ in range(ROUNDS):
        arena.an_hour_passes()
        username = arena.new_user("careful", authenticators=("sms",))
        visit = signed_in(arena, username).submit("do=send")
        right = arena.world.sms_code()
        wrong = f"{(int(right) + 1) % 10**6:06d}"
        arena.volley([visit.form(code=wrong)] * THREADS)
        arena.an_hour_passes()
        assert arena.send(visit.form(code=right)).status == 400
        assert arena.events(Event.MFA_PASSED, username) == 0


def test_a_password_takes_five_guesses_however_many_come_at_once(arena: Arena) -> None:
    """I10, A 6.3.1: guesses that come together are counted before they are compared."""
    for _ in range(ROUNDS):
        arena.an_hour_passes()
        username = arena.new_user()
        visits = [Visit(arena, f"198.51.100.{n}").ask_for_a_code() for n in range(2)]
        shots = [v.form("/sign-in/", username=username, password="not it at all") for v in visits]
        answers = arena.volley(shots * (THREADS // 2))
        assert sorted(a.status for a in answers) == [400] * 5 + [429] * (THREADS - 5)
        assert arena.events(Event.SIGN_IN_FAILED, username) == 5
        assert arena.send(visits[0].form("/sign-in/", username=username, password=PASSWORD)).status == 429


# Administrators and risk


def test_a_user_of_one_name_is_created_once(arena: Arena) -> None:
    """A 1.1.1, A 2.2.1: also under names that look alike."""
    for number in range(ROUNDS):
        names = iter(
            [f"paul{number}", f"PAUL{number}", f"рau\N{SCRIPT SMALL L}{number}", f"pаul{number}"] * 2
        )
        results = arena.all_at_once(
            lambda names=names: users.create(next(names), PASSWORD, by="test").username
        )
        assert len([r for r in results if isinstance(r, str)]) == 1, results
        assert all("exists" in str(r) for r in results if not isinstance(r, str))


def test_policies_applied_at_once_become_versions_in_a_row(arena: Arena) -> None:
    """Section 3 of product.md: nobody's policies are lost unseen; who came second is told."""
    with arena.world.arranging():
        before = policies.newest_version()
    applied = []
    for _ in range(ROUNDS):
        results = arena.all_at_once(lambda: policies.apply(POLICIES, "test").version)
        versions = [r for r in results if isinstance(r, int)]
        assert versions
        assert len(versions) == len(set(versions))
        assert all("meanwhile" in str(r) for r in results if not isinstance(r, int)), results
        applied += versions
    with arena.world.arranging():
        stored = session().scalars(select(PolicyVersion.version).order_by(PolicyVersion.version)).all()
        assert list(stored)[-len(applied) :] == sorted(applied)
        assert policies.newest_version() == before + len(applied)
        events = select(func.count()).where(AuditEvent.name == str(Event.POLICY_APPLIED))
        assert session().scalar(events) == len(stored)


def compromise(username: str) -> None:
    """Let an administrator confirm the compromise."""
    protection.confirm_compromised(users.get(username), "admin")


def dismiss(username: str) -> None:
    """Let an administrator say that the risk is void."""
    protection.dismiss(users.get(username), "admin", "false alarm")


def test_a_code_given_while_the_user_is_confirmed_compromised_is_worth_nothing(arena: Arena) -> None:
    """I2, section 7: a resume at the moment of the administrator's act may get a code, but never tokens."""
    for _ in range(2 * ROUNDS):
        username = arena.new_user()
        visit = (
            Visit(arena, TOR_ADDRESS if _ % 2 else "198.51.100.10")
            .ask_for_a_code()
            .sign_in(username, follow=False)
        )
        answer = arena.volley([visit.shot(visit.page.location)], partial(compromise, username))[0]
        if "code=" in answer.location:
            code = query_of(answer.location)["code"]
            assert arena.send(_redeeming(arena, code)).json["error"] == "invalid_grant"


def test_a_challenge_passed_while_the_user_is_confirmed_compromised_gives_nothing(arena: Arena) -> None:
    """I2, section 7: whichever comes first, the user ends at risk and the sign-in is dead; neither is refused."""
    for _ in range(2 * ROUNDS):
        username = arena.new_user(authenticators=("totp",))
        visit = signed_in(arena, username, address=TOR_ADDRESS).submit("/notice")
        shot = visit.form(code=arena.code_of(username))
        cookies = arena.volley([shot], partial(compromise, username))[0].cookies
        assert arena.world.read(lambda user: user.risk, username) is RiskLevel.HIGH
        visit.cookies.update(cookies)
        visit.go("/account")
        assert visit.path.startswith("/sign-in/")


def test_two_people_who_close_a_risk_at_once_both_succeed(arena: Arena) -> None:
    """An administrator's dismissal and the user's own mitigation do not wait for each other for ever."""
    for _ in range(2 * ROUNDS):
        username = arena.new_user(authenticators=("totp",))
        visit = signed_in(arena, username, address=TOR_ADDRESS).submit("/notice")
        shot = visit.form(code=arena.code_of(username))
        answers = arena.volley([shot], partial(dismiss, username))
        assert answers[0].gave_a_session
        assert arena.world.read(lambda user: user.risk, username) is RiskLevel.NONE


def test_a_detection_raised_while_another_is_dismissed_keeps_the_user_at_risk(arena: Arena) -> None:
    """I2, I3: who read the user before the dismissal must not think that the level already stands."""
    username = arena.new_user()
    arena.world.act(protection.confirm_compromised, username, "admin")
    with arena.world.app.app_context():
        user = users.get(username)
        assert user.risk is RiskLevel.HIGH
        session().commit()
        arena.world.act(protection.dismiss, username, "admin", "false alarm")
        protection.raise_detection(user, reports.user_reported("a sign-in"))
        session().commit()
    assert arena.world.read(lambda user: user.risk, username) is RiskLevel.HIGH


def test_a_sign_in_with_the_old_password_does_not_outlive_its_reset(arena: Arena) -> None:
    """Section 7, A 7.4.3: the password that was just found right may be reset before its sign-in is stored.

    Without this the thief, kept out by a temporary password, would be asked to choose the new one.
    """
    username = arena.new_user()
    real = runtime_of(arena).passwords.verify

    def verify_and_lose(stored: str | None, password: str) -> bool:
        found = real(stored, password)
        runtime_of(arena).passwords.verify = real  # type: ignore[method-assign]
        arena.world.act(users.set_temporary_password, username, "admin")
        return found

    visitor = Visitor("198.51.100.10", "", "", None, None)
    with arena.world.app.test_request_context(base_url=arena.world.url):
        runtime_of(arena).passwords.verify = verify_and_lose  # type: ignore[method-assign]
        with pytest.raises(InteractionError):
            sign_ins.attempt(username, PASSWORD, visitor)
    alive = select(SignIn).join(User, User.id == SignIn.user_id)
    alive = alive.where(User.username == username, SignIn.succeeded, SignIn.ended_at.is_(None))
    assert arena.count(alive) == 0


def runtime_of(arena: Arena) -> Any:
    """Return what the server in our own hands consists of."""
    return arena.world.app.extensions["idprotect"]


# First start


# One process that has loaded everything becomes many, which begin at the same moment.
FIRST_START = """
import os, sys, time
from pathlib import Path
from tests.support.world import PASSWORD, build_app
from idprotect import migrations, users
from idprotect.models import session

keys, url, *folders = sys.argv[1:]
moment, children = time.monotonic() + 0.5, []
for number, folder in enumerate(folders):
    if (child := os.fork()) == 0:
        app = build_app("http://localhost:1", Path(folder), Path(keys), IDPROTECT_DATABASE_URL=url)
        time.sleep(max(0, moment - time.monotonic()))
        with app.app_context():
            migrations.upgrade()
            users.create(f"user{number}", PASSWORD, by="test")
            session().commit()
        os._exit(0)
    children.append(child)
sys.exit(sum(os.waitpid(child, 0)[1] != 0 for child in children))
"""


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_processes_that_start_at_once_make_the_tables_once(
    database: str, tmp_path: Path, keys: Path, request: pytest.FixtureRequest
) -> None:
    """Section 12: a simultaneous first start is safe, also on several machines with one database."""
    url, folders = "", [tmp_path / "shared"] * MACHINES
    if database == "postgresql":
        url = request.getfixturevalue("postgres_url")
        folders = [tmp_path / f"machine{number}" for number in range(MACHINES)]
    for folder in {*folders}:
        folder.mkdir(mode=0o700)
        build_app("http://localhost:1", folder, keys)  # copies the keys
    command = [sys.executable, "-c", FIRST_START, str(keys), url, *map(str, folders)]
    started = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert started.returncode == 0, started.stderr[-4000:]
    app = build_app("http://localhost:1", folders[0], keys, IDPROTECT_DATABASE_URL=url)
    with app.app_context():
        versions = session().execute(text(f"SELECT * FROM {migrations.VERSION_TABLE}")).all()
        assert len(versions) == 1
        assert users.count() == MACHINES
        session().close()
        runtime().db.engine.dispose()


@pytest.mark.postgres
def test_connections_that_the_server_ended_are_replaced_unnoticed(
    tmp_path: Path, keys: Path, postgres_url: str
) -> None:
    """Section 12, database restarts: no request fails because its connection died while it lay idle."""
    app = build_app("http://localhost:1", tmp_path, keys, IDPROTECT_DATABASE_URL=postgres_url)
    end = text(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database()"
    )
    with app.app_context():
        migrations.upgrade()
        engine, ours = runtime().db.engine, text("SELECT pg_backend_pid()")
        with engine.connect() as one, engine.connect() as other:
            before = {one.scalar(ours), other.scalar(ours)}
        stranger = create_engine(postgres_url, poolclass=NullPool)
        with stranger.connect() as connection:
            ended = text(f"{end} AND pid <> pg_backend_pid()")
            assert len(connection.execute(ended).all()) >= len(before)
        with engine.connect() as one, engine.connect() as other:
            assert not before & {one.scalar(ours), other.scalar(ours)}
        assert users.count() == 0
        session().close()
        engine.dispose()


def test_a_migration_that_is_already_done_changes_nothing(arena: Arena) -> None:
    """Section 12: every start may run the migrations."""
    arena.all_at_once(migrations.upgrade, 3)
    with arena.world.arranging():
        assert session().scalar(select(func.count()).select_from(User)) is not None
