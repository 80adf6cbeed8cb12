"""Whatever comes, no error of ours goes out: section 9 of the security requirements, over SQLite and PostgreSQL.

Requests are made by hand, down to their bytes, and given to the application as a server would. Every answer has to
be below 500, carry the headers of section 9, and say nothing of what runs inside. `HOSTILE_EXAMPLES` sets how many
random requests are tried for each database.
"""

import io
import json
import os
import re
import time
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, urlencode, urljoin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder, run_wsgi_app

from idprotect import clients, clock, migrations, protection, users
from idprotect.models import Authenticator, SignIn, session
from idprotect.registration import DEVICE_CODE, OWN_SCOPES, TOKEN_EXCHANGE, Registration
from idprotect.runtime import runtime
from tests.oidc.conftest import POLICIES
from tests.oidc.server import CALLBACK, CHALLENGE, ISSUER, Application, Person, Server, basic
from tests.support.world import (
    SIGN_IN_RISK_REGISTER,
    TOR_ADDRESS,
    USER_RISK_POLICY,
    Clock,
    _Forms,
    build_app,
)
from tests.terms.rules import BOUND, make_terms

EXAMPLES = int(os.environ.get("HOSTILE_EXAMPLES", "150"))
FORM = "application/x-www-form-urlencoded"
PUBLIC = re.compile(r"/jwks|/\.well-known/.*|/idprotect-static/.*")
INSIDES = re.compile(
    r"Traceback|sqlalchemy|psycopg|sqlite3|werkzeug|authlib|File \"|\.py\b|line \d+, in", re.I
)

#: Bytes that somebody's code does not expect.
ODD_BYTES = [
    b"",
    b"\0",
    b"a\0b",
    b"\xff\xfe",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xe2\x80\xae\xe2\x81\xa6",
    "\N{SNOWMAN}\N{GRINNING FACE}\ufffd\ufffe".encode(),
    b"\r\nSet-Cookie: a=b",
    b"\x7f\x1b[2J",
    b"'\";--",
    b"\\",
    b'"',
    b"%",
    b"%zz%00%ff",
    b"{{7*7}}${7*7}<%= 7*7 %>",
    b"<script>alert(1)</script>",
    b"../../../../etc/passwd",
    b"9" * 400,
    b"-1",
    b"1e999",
    b"NaN",
    b"0x7fffffffffffffff",
    b"99999999999999999999",
    b"true",
    b"null",
    b"[]",
    b"{}",
    b'{"a":' * 200,
    b" ",
    b"\t",
    b"##",
    b"20991231235959##\xff",
    b"a" * 1025,
    b"a" * 5000,
]


@dataclass
class Target:
    """A server over one database, and somebody in every place that its pages know."""

    server: Server
    application: Application
    post_application: Application
    jars: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    own_token: str = ""
    machine: Application | None = None

    def send(
        self,
        method: str,
        path: bytes,
        query: bytes = b"",
        body: bytes = b"",
        headers: Iterable[tuple[str, bytes]] = (),
        *,
        length: str | None = None,
        host: str = "id.example",
    ) -> "Answer":
        """Give a request to the application, byte by byte, and look at the answer."""
        environ = EnvironBuilder(path="/", base_url=ISSUER, method="GET").get_environ()
        environ |= {
            "REQUEST_METHOD": method,
            "PATH_INFO": path.decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "CONTENT_LENGTH": str(len(body)) if length is None else length,
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": host,
            "wsgi.input": io.BytesIO(body),
        }
        for name, value in headers:
            key = name.upper().replace("-", "_")
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value.decode("latin-1")
        chunks, status, answered = run_wsgi_app(self.server.front, environ)
        content = b"".join(chunks)
        answer = Answer(int(status[:3]), dict(answered), content)
        answer.check(
            f"{method} {path!r}?{query[:200]!r} {body[:200]!r}", PUBLIC.fullmatch(path.decode("latin-1"))
        )
        return answer


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def check(self, asked: str, public: object) -> None:
        """Assert what holds for every answer that there is."""
        text, headers = self.body.decode("utf-8"), self.headers
        assert self.status < 500, f"{self.status}: {asked}\n{text[:500]}"
        assert self.status not in (301, 302, 307, 308), asked
        policy = {rule.split(" ", 1)[0]: rule for rule in headers["Content-Security-Policy"].split("; ")}
        for directive in ("default-src", "object-src", "base-uri", "frame-ancestors"):
            assert policy[directive] == f"{directive} 'none'", asked
        assert headers["X-Content-Type-Options"] == "nosniff", asked
        assert headers["X-Frame-Options"] == "DENY", asked
        assert headers["Referrer-Policy"] in ("same-origin", "no-referrer"), asked
        assert "max-age=" in headers["Strict-Transport-Security"], asked
        assert "Server" not in headers, asked
        if self.body:
            kind = headers["Content-Type"]
            json_kinds = ("application/json", "application/problem+json")
            assert kind.endswith("; charset=utf-8") or kind in json_kinds or public, f"{kind}: {asked}"
        if headers.get("Content-Type", "").startswith("text/html"):
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin", asked
            assert re.fullmatch(r"script-src 'nonce-[\w-]{22}'", policy["script-src"]), asked
            assert "unsafe" not in headers["Content-Security-Policy"], asked
            assert not re.search(r"<script(?![^>]*\bnonce=)|\son\w+\s*=|javascript:", text), asked
        if not public or self.status >= 400:
            assert headers["Cache-Control"] == "no-store", asked
        if not public:
            assert not INSIDES.search(text), f"{asked}\n{text[:2000]}"


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def target(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, keys: Path
) -> Iterator[Target]:
    """Run a server over each database."""
    folder, moved, real_time = tmp_path_factory.mktemp("hostile"), Clock(), time.time
    folder.chmod(0o700)
    with ExitStack() as stack:
        config = {}
        if request.param == "postgresql":
            cluster = request.getfixturevalue("postgres")
            config["IDPROTECT_DATABASE_URL"] = stack.enter_context(cluster.database())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(clock, "now", moved.now)
        patch.setattr(time, "time", lambda: real_time() + moved.offset.total_seconds())
        app = build_app(ISSUER, folder, keys, **config)
        # What the server would log about each request is not looked at, and takes a second.
        app.logger.disabled = True
        with app.app_context():
            migrations.upgrade()
        server = Server(app, ISSUER, moved, folder, front=app)
        make_terms(server)
        server.apply(USER_RISK_POLICY, POLICIES, SIGN_IN_RISK_REGISTER, BOUND)
        server.list_address(TOR_ADDRESS)
        made = Target(
            server,
            server.application(first_party=False),
            server.application(token_endpoint_auth_method="client_secret_post"),
        )
        populate(made)
        yield made
        with app.app_context():
            runtime().db.engine.dispose()


def populate(target: Target) -> None:
    """Bring people to every page, and remember their cookies and the ids in the URLs."""
    for stage in STAGES:
        person = STAGES[stage](target)
        target.jars.append(jar_of(person))
        target.ids += re.findall(r"/(?:interaction|sign-in|authorize)/([\w-]+)", person.path)
    somebody = target.server.person(authenticators=("totp",)).sign_in()
    somebody.go(target.application.url()).submit(button="allow")
    target.tokens.append(somebody.answer["code"])
    tokens = target.application.tokens(somebody)
    target.tokens += [tokens["access_token"], tokens["refresh_token"], tokens["id_token"]]
    target.jars.append(jar_of(somebody))
    with target.server.arranging():
        wanted = Registration(
            client_name="Machine", grant_types=("client_credentials",), scope=" ".join(OWN_SCOPES)
        )
        client, secret = clients.create(wanted, by="test")
        target.machine = Application(target.server, client.id, secret or "", "client_secret_basic", "")
    target.own_token = token_of_machine(target)
    with target.server.arranging():
        target.ids += [row.id for row in session().query(SignIn).limit(3)]
        target.ids += [row.id for row in session().query(Authenticator).limit(3)]
    target.ids += [target.application.id, *STEPS]


def token_of_machine(target: Target) -> str:
    """Return a new token of the application that acts for itself: other tests may have used up the first one."""
    assert target.machine is not None
    answer = target.machine.post("/token", grant_type="client_credentials", scope=" ".join(OWN_SCOPES))
    return str(answer.get_json()["access_token"])


def jar_of(person: Person) -> str:
    """Return the cookies of a browser as a header."""
    return "; ".join(
        f"{cookie.decoded_key}={cookie.decoded_value}" for cookie in person.http._cookies.values()
    )


# Everybody is somewhere

STEPS = [
    *("block", "notice", "mfa_registration", "mfa", "password_change"),
    *("review", "terms_of_use", "consent", "nothing"),
]


def at_sign_in(target: Target) -> Person:
    """Somebody who is not signed in."""
    return target.server.person().go(target.application.url(login_hint="somebody"))


def at_consent(target: Target) -> Person:
    """Somebody whom the application wants to know."""
    return at_sign_in(target).sign_in()


def at_terms_of_use(target: Target) -> Person:
    """Somebody who has to accept the rules."""
    return target.server.person(groups=("bound",)).go(target.application.url()).sign_in()


def at_mfa(target: Target, *authenticators: str) -> Person:
    """Somebody who is asked for a code of an app."""
    person = target.server.person(authenticators=authenticators or ("totp",), groups=("careful",))
    return person.go(target.application.url()).sign_in()


def at_sms(target: Target) -> Person:
    """Somebody who waits for a text message."""
    target.server.clock.move(hours=1)  # nobody's limit on messages is the matter here
    return at_mfa(target, "sms").submit(action="do=send")


def at_recovery_code(target: Target) -> Person:
    """Somebody who lost the telephone."""
    person = at_mfa(target)
    return person.go(f"{person.path}?method=recovery_code")


def at_registration(target: Target) -> Person:
    """Somebody who has to choose a second factor."""
    return target.server.person(groups=("new",)).go(target.application.url()).sign_in()


def at_telephone_number(target: Target) -> Person:
    """Somebody who types a number."""
    person = at_registration(target)
    return person.submit({}, button="sms")


def at_app_setup(target: Target) -> Person:
    """Somebody who scans a picture."""
    return at_registration(target).submit({}, button="totp")


def at_notice(target: Target) -> Person:
    """Somebody at risk."""
    person = target.server.person(authenticators=("totp",)).sign_in()
    target.server.act(protection.confirm_compromised, person.username, "admin", "leak", end_sessions=False)
    return person.go(target.application.url())


def at_password_change(target: Target) -> Person:
    """Somebody who recovers."""
    return at_notice(target).prove()


def at_temporary_password(target: Target) -> Person:
    """Somebody with a temporary password."""
    person = target.server.person()
    password = target.server.act(users.set_temporary_password, person.username, "admin")
    return person.go(target.application.url()).sign_in(password=password)


def at_block(target: Target) -> Person:
    """Somebody who is not wanted."""
    return target.server.person(groups=("unwanted",)).go(target.application.url()).sign_in()


def at_account(target: Target) -> Person:
    """Somebody at home."""
    return target.server.person().sign_in()


def at_own_password(target: Target) -> Person:
    """Somebody who changes the password."""
    return at_account(target).go("/account/password")


def at_own_methods(target: Target) -> Person:
    """Somebody who adds a second factor."""
    return at_account(target).go("/account/methods")


def at_report(target: Target) -> Person:
    """Somebody who was it not."""
    person = at_account(target)
    return person.go(f"/account/sign-ins/{target.server.sign_in_of(person).id}/report")


def at_sign_out(target: Target) -> Person:
    """Somebody who leaves."""
    return at_account(target).go("/sign-out")


def at_end_session(target: Target) -> Person:
    """Somebody whom an application wants to sign out."""
    return at_account(target).go(f"/end-session?client_id={target.application.id}")


STAGES = {name[3:]: function for name, function in list(globals().items()) if name.startswith("at_")}


# Tables


def test_everybody_is_where_the_tests_think(target: Target) -> None:
    """The pages below are really reached."""
    found = {name: STAGES[name](target).step for name in STAGES}
    assert found == {
        "sign_in": "sign_in",
        "consent": "consent",
        "terms_of_use": "terms_of_use",
        "mfa": "mfa",
        "sms": "mfa",
        "recovery_code": "mfa",
        "registration": "mfa_registration",
        "telephone_number": "mfa_registration",
        "app_setup": "mfa_registration",
        "notice": "notice",
        "password_change": "password_change",
        "temporary_password": "password_change",
        "block": "block",
        "account": "/account",
        "own_password": "/account/password",
        "own_methods": "/account/methods",
        "report": found["report"],
        "sign_out": "/sign-out",
        "end_session": "/end-session/leave",
    }


def test_what_the_library_answers_with_an_exception_is_a_4xx(target: Target) -> None:
    """Stack notes 3.3: each line of the table, on both databases."""
    application, post = target.application, target.post_application
    public = target.server.application(public=True)
    basic_header = [("Authorization", basic(application.id, application.secret).encode())]
    code = {"grant_type": "authorization_code", "redirect_uri": CALLBACK, "code_verifier": "v" * 43}
    for value in ('"', "\\", "a\nb", "\N{SNOWMAN}", "a\0b", "\x7f"):
        for name in ("response_type", "redirect_uri", "scope", "client_id", "prompt", "code_challenge"):
            query = urlencode(application.request(**{name: value})).encode()
            assert target.send("GET", b"/authorize", query).status in (400, 303)
            answer = target.send("POST", b"/authorize", b"", query, [("Content-Type", FORM.encode())])
            assert answer.status in (400, 303)
        for name in ("code", "client_id", "client_secret", "refresh_token", "grant_type", "token", "scope"):
            for path in (b"/token", b"/introspect", b"/revoke"):
                form = {**code, "code": "x", "token": "x", "client_id": post.id, "client_secret": post.secret}
                body = urlencode({**form, name: value}).encode()
                answer = target.send("POST", path, b"", body, [("Content-Type", FORM.encode())])
                assert answer.status in (200, 400, 401)
                body = urlencode({"token": "x", **code, name: value}).encode()
                headers = [("Content-Type", FORM.encode()), *basic_header]
                assert target.send("POST", path, b"", body, headers).status in (200, 400, 401)
    for credentials in (
        b"\xff\xfe:\xff",
        b"a:\xff",
        b"\0:\0",
        b"",
        b":",
        b"\xed\xa0\x80:x",
        f"{public.id}:x".encode(),
    ):
        header = ("Authorization", b"Basic " + b64encode(credentials))
        for path in (b"/token", b"/introspect", b"/revoke"):
            body = urlencode({**code, "code": "x", "token": "x"}).encode()
            assert (
                target.send("POST", path, b"", body, [("Content-Type", FORM.encode()), header]).status == 401
            )
    body = urlencode({**code, "code": "x", "client_id": public.id, "client_secret": "x"}).encode()
    assert target.send("POST", b"/token", b"", body, [("Content-Type", FORM.encode())]).status == 401
    request = "eyJhbGciOiJub25lIn0.eyJzdGF0ZSI6WzFdfQ."
    query = urlencode(application.request(request=request)).encode()
    assert (
        b"error=invalid_request_object"
        in target.send("GET", b"/authorize", query).headers["Location"].encode()
    )


METHODS = [
    "GET",
    "POST",
    "HEAD",
    "OPTIONS",
    "PUT",
    "PATCH",
    "DELETE",
    "TRACE",
    "CONNECT",
    "PROPFIND",
    "X" * 90,
]


def test_every_path_takes_its_methods_and_no_other(target: Target) -> None:
    """Section 9: unused methods are a 405, on every route that there is."""
    for rule in target.server.front.url_map.iter_rules():
        path = re.sub(r"<[^>]*>", "x", rule.rule).encode()
        for method in METHODS:
            answer = target.send(method, path)
            if method not in (rule.methods or ()):
                assert answer.status in (404, 405), (method, path)
                if answer.status == 405:
                    assert set(answer.headers["Allow"].split(", ")) <= set(METHODS)
    for path in (
        b"/.git/config",
        b"/.env",
        b"/console",
        b"/static/",
        b"/idprotect-static/",
        b"/metrics",
        b"/debug",
    ):
        assert target.send("GET", path).status == 404, path
    for path in (
        b"/idprotect-static/../keys/pepper",
        b"/idprotect-static/..%2f..%2fsetup.cfg",
        b"/idprotect-static//etc",
    ):
        assert target.send("GET", path).status == 404, path


@pytest.mark.parametrize("where", ["path", "query", "header", "body"])
def test_odd_bytes_are_no_error_of_ours_anywhere(target: Target, where: str) -> None:
    """Section 9, A 15.3.5: NUL, invalid UTF-8, surrogates and the rest, in every place of every route."""
    names = ["client_id", "state", "csrf_token", "username", "code", "token", "do", "method", "answer"]
    jar = target.jars[-1].encode()
    for turn, rule in enumerate(target.server.front.url_map.iter_rules()):
        for number, odd in enumerate(ODD_BYTES[turn % 2 :: 2]):
            path = re.sub(r"<[^>]*>", target.ids[number % len(target.ids)], rule.rule).encode()
            query, body, headers = b"", b"", [("Cookie", jar)]
            if where == "path":
                if b"<" not in rule.rule.encode():
                    path += odd
                path = (
                    re.sub(rb"<[^>]*>", lambda _, odd=odd: odd.replace(b"/", b""), rule.rule.encode()) + odd
                )
            elif where == "query":
                query = b"&".join(name.encode() + b"=" + quote_from_bytes(odd).encode() for name in names)
                query += b"&" + odd.replace(b"\n", b"").replace(b"\r", b"") + b"=" + odd[:1]
            elif where == "header":
                value = odd.replace(b"\n", b"").replace(b"\r", b"")
                headers = [
                    ("Cookie", b"__Host-idprotect-session=" + value + b"; " + value),
                    ("User-Agent", value),
                    ("Authorization", [value, b"Bearer " + value, b"Basic " + value][number % 3]),
                    ("X-Forwarded-For", value),
                    ("Accept-Language", value),
                    ("Referer", value),
                    ("If-None-Match", value),
                    ("If-Modified-Since", value),
                    ("Range", b"bytes=" + value),
                    ("Content-Type", value),
                ]
            if where == "body" or "POST" in (rule.methods or ()):
                body = b"&".join(name.encode() + b"=" + quote_from_bytes(odd).encode() for name in names)
                headers += [("Content-Type", FORM.encode())] if where != "header" else []
            method = "POST" if body and "POST" in (rule.methods or ()) else "GET"
            target.send(method, path, query, body, headers)


def test_odd_bytes_in_a_query_are_refused_to_applications_too(target: Target) -> None:
    """Section 9: whoever has a token gets past the first door, and to where the query is read."""
    headers = [("Authorization", f"Bearer {token_of_machine(target)}".encode())]
    for path in (b"/api/v1/audit-events", b"/ssf/stream"):
        assert target.send("GET", path, headers=headers).status == 200
        assert target.send("GET", path, b"x=\xff\xfe", headers=headers).status == 400


def test_what_is_too_large_is_refused(target: Target) -> None:
    """Section 14: 400, 413, 414 or 431, before costly work."""
    form, application = [("Content-Type", FORM.encode())], target.application
    for path in (b"/token", b"/introspect", b"/revoke", b"/authorize"):
        assert target.send("POST", path, b"", b"a=" + b"x" * 70_000, form).status == 413
        assert target.send("POST", path, b"", b"&".join(b"a%d=b" % n for n in range(60)), form).status == 400
        assert target.send("POST", path, b"x" * 9000, b"a=b", form).status == 414
    sign_in = target.ids[0].encode()
    for path in (
        b"/sign-in/" + sign_in,
        b"/interaction/" + sign_in + b"/mfa",
        b"/account/password",
        b"/sign-out",
    ):
        for jar in target.jars[:2]:
            cookie = ("Cookie", jar.encode())
            assert target.send("POST", path, b"", b"a=" + b"x" * 70_000, [*form, cookie]).status in (
                400,
                413,
                303,
            )
            assert target.send("POST", path, b"", b"a=b&" * 16_000, [*form, cookie]).status in (400, 303)
    assert target.send("GET", b"/" + b"x" * 2000).status in (404, 414)
    assert target.send("GET", b"/authorize/" + b"x" * 2000).status == 414
    assert target.send("GET", b"/authorize", b"a=" + b"x" * 9000).status == 414
    assert target.send("GET", b"/account", b"", b"", [("Cookie", b"a=" + b"x" * 60_000)]).status == 303
    assert (
        target.send("GET", b"/userinfo", b"", b"", [("Authorization", b"Bearer " + b"x" * 60_000)]).status
        == 401
    )
    query = urlencode(application.request(state="s" * 5000)).encode()
    assert target.send("GET", b"/authorize", query).status == 400


def test_bodies_that_are_not_what_they_say(target: Target) -> None:
    """A 15.3.5: lengths, types and encodings that do not fit, multipart without an end, form upon form."""
    jar = ("Cookie", target.jars[0].encode())
    paths = [
        b"/token",
        b"/revoke",
        b"/introspect",
        b"/authorize",
        b"/sign-in/" + target.ids[0].encode(),
        b"/sign-out",
    ]
    types = [
        b"application/json",
        b"application/x-www-form-urlencoded; charset=utf-16",
        b"application/x-www-form-urlencoded; charset=\xff",
        b"multipart/form-data",
        b"multipart/form-data; boundary=",
        b"multipart/form-data; boundary=b",
        b"multipart/form-data; boundary=" + b"b" * 400,
        b"text/xml",
        b";;;",
        b"\0",
    ]
    part = b'--b\r\nContent-Disposition: form-data; name="token"; filename="a\0b"\r\n\r\nx\r\n'
    bodies = [
        b"",
        b"\0",
        b"--b",
        part,
        part + b"--b--\r\n",
        part * 300,
        b'{"a":' * 5000,
        b"<!DOCTYPE x>",
        b"=&=&&==&",
    ]
    for path in paths:
        for kind in types:
            for body in bodies:
                target.send("POST", path, b"", body, [("Content-Type", kind), jar])
        for length in ("", "-1", "x", "0", "9" * 30, "1e3"):
            target.send(
                "POST", path, b"", b"token=x&grant_type=x", [("Content-Type", FORM.encode())], length=length
            )


def test_hosts_that_are_not_ours(target: Target) -> None:
    """A 4.1.3: also in answers to a Host that nobody may have, the headers are there and nothing is told."""
    for host in (
        "",
        "evil.example",
        "id.example, evil.example",
        "id.example:99999999",
        "\xff",
        "[::1",
        "a\0b",
        "x" * 5000,
    ):
        for path in (b"/", b"/account", b"/token", b"/jwks", b"/nowhere"):
            target.send("GET", path, host=host)


def test_slashes_lead_nowhere(target: Target) -> None:
    """A 4.1.3, B 4.12: no redirect is made up from the Host and the path of a request, and none repeats a POST."""
    for path in (
        b"//account",
        b"//evil.example/account",
        b"/sign-in//x",
        b"/account/",
        b"/token/",
        b"/\\evil.example",
    ):
        for method in ("GET", "POST"):
            answer = target.send(method, path, host="id.example:8443")
            assert "evil" not in answer.headers.get("Location", "")
            assert "8443" not in answer.headers.get("Location", "")


#: So many values are tried by one person; more would be stopped by the limits before they are looked at.
TRIES = 9


@pytest.mark.parametrize("stage", STAGES)
def test_pages_take_any_value_in_any_field(target: Target, stage: str) -> None:
    """Section 9: with a good token and a browser in the right place, so that the values reach what is behind."""
    for number, odd in enumerate(ODD_BYTES):
        if number % TRIES == 0:
            person = STAGES[stage](target)
            forms, cookie = forms_of(person), ("Cookie", jar_of(person).encode())
        for form in forms:
            values = {name: odd for name in form["names"] if name and name != "csrf_token"}
            values |= {name: odd for name, _ in form["buttons"]}
            if number % 2:  # every other time the button is one that there is
                values |= {name: value.encode() for name, value in form["buttons"][:1]}
            values["csrf_token"] = form["fields"]["csrf_token"].encode()
            body = b"&".join(
                name.encode() + b"=" + quote_from_bytes(value).encode() for name, value in values.items()
            )
            path, _, query = urljoin(person.path, form["action"]).partition("?")
            if number % 3 == 2:  # now and then the method in the URL is none
                query = re.sub(
                    r"(method|do)=[^&]*", lambda m, odd=odd: f"{m[1]}={quote_from_bytes(odd)}", query
                )
            target.send(
                "POST", path.encode(), query.encode(), body, [("Content-Type", FORM.encode()), cookie]
            )


def forms_of(person: Person) -> list[dict[str, Any]]:
    """Return the forms of a page, but for those that would end the visit."""
    parser = _Forms()
    parser.feed(person.page.text)
    lasting = [form for form in parser.forms if "/cancel/" not in form["action"]]
    return lasting or parser.forms


# At random

_bytes = st.one_of(
    st.sampled_from(ODD_BYTES),
    st.binary(max_size=40),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
)
_names = st.sampled_from(
    [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "prompt",
        "max_age",
        "request",
        "request_uri",
        "response_mode",
        "code_challenge",
        "code_challenge_method",
        "login_hint",
        "id_token_hint",
        "post_logout_redirect_uri",
        "logout_hint",
        "acr_values",
        "claims",
        "grant_type",
        "code",
        "code_verifier",
        "refresh_token",
        "device_code",
        "user_code",
        "subject_token",
        "subject_token_type",
        "actor_token",
        "requested_token_type",
        "resource",
        "audience",
        "dpop_jkt",
        "token",
        "token_type_hint",
        "client_secret",
        "client_assertion",
        "csrf_token",
        "username",
        "password",
        "new",
        "confirm",
        "current",
        "phone",
        "method",
        "do",
        "answer",
        "next",
    ]
)
_good = st.sampled_from(
    [
        b"code",
        b"openid",
        b"openid offline_access",
        b"none",
        b"login",
        b"0",
        b"authorization_code",
        b"refresh_token",
        b"client_credentials",
        DEVICE_CODE.encode(),
        TOKEN_EXCHANGE.encode(),
        b"urn:ietf:params:oauth:token-type:access_token",
    ]
    + [CALLBACK.encode(), CHALLENGE.encode(), b"S256", b"totp", b"sms", b"send", b"allow", b"access_token"]
)
_headers = st.sampled_from(
    [
        "Authorization",
        "Cookie",
        "User-Agent",
        "X-Forwarded-For",
        "Origin",
        "Referer",
        "Sec-Fetch-Site",
        "Accept",
        "Accept-Language",
        "Range",
        "If-None-Match",
        "If-Modified-Since",
        "Content-Type",
        "Content-Encoding",
        "Transfer-Encoding",
        "Expect",
        "X-HTTP-Method-Override",
    ]
)


#: What JSON bodies are made of: members that our interfaces know, with values that they do not expect.
_members = st.sampled_from(
    [
        *("stream_id", "delivery", "method", "endpoint_url", "authorization_header", "events_requested"),
        *("description", "status", "reason", "subject", "format", "iss", "sub", "state"),
        *("ack", "setErrs", "maxEvents", "returnImmediately"),
        *(
            "id",
            "username",
            "level",
            "title",
            "about",
            "sign_in",
            "source",
            "reasons",
            "by",
            "note",
            "policies",
        ),
        *("client_name", "redirect_uris", "jwks", "grant_types", "token_endpoint_auth_method"),
    ]
)
_texts = st.sampled_from(
    ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936", "iss_sub", "paused", "high", CALLBACK, ISSUER]
)
_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _texts, st.text(max_size=20))
_json = st.recursive(
    _scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_members, inner, max_size=4)),
    max_leaves=8,
)


@st.composite
def hostile_requests(draw: st.DrawFn) -> dict[str, Any]:
    """Return a request that is nearly right, or not at all."""
    index = st.integers(0, 200)
    return {
        "rule": draw(index),
        "method": draw(st.sampled_from(["GET", "POST", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])),
        "json": draw(st.one_of(st.none(), _json)),
        "ids": draw(st.lists(st.one_of(index, _bytes), min_size=2, max_size=2)),
        "pairs": draw(
            st.lists(st.tuples(st.one_of(_names, _bytes), st.one_of(_good, _bytes, index)), max_size=8)
        ),
        "in_body": draw(st.booleans()),
        "whole": draw(st.booleans()),
        "quoted": draw(st.booleans()),
        "jar": draw(st.one_of(st.none(), index)),
        "credentials": draw(st.sampled_from(["basic", "post", "bearer", "own", "own", "none"])),
        "headers": draw(st.lists(st.tuples(_headers, _bytes), max_size=3)),
        "type": draw(
            st.sampled_from([FORM, FORM, FORM, "application/json", "multipart/form-data; boundary=b", ""])
        ),
    }


def test_no_request_gets_an_error_of_ours(target: Target) -> None:
    """Section 9, A 15.3.5: random requests at every route, with good and bad cookies, tokens and credentials."""
    rules = sorted(target.server.front.url_map.iter_rules(), key=lambda rule: rule.rule)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize="HOSTILE_EXAMPLES" not in os.environ,
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile_requests())
    def attack(request: dict[str, Any]) -> None:
        rule = rules[request["rule"] % len(rules)]
        known = [*target.ids, *target.tokens, target.post_application.id]

        def value(drawn: bytes | int) -> bytes:
            return known[drawn % len(known)].encode() if isinstance(drawn, int) else drawn

        ids = iter([value(drawn) for drawn in request["ids"]])
        path = re.sub(rb"<[^>]*>", lambda _: next(ids).replace(b"/", b""), rule.rule.encode())
        pairs: list[tuple[bytes, bytes]] = []
        if request["whole"]:
            pairs += [(name.encode(), text.encode()) for name, text in target.application.request().items()]
        for name, drawn in request["pairs"]:
            pairs.append((name.encode() if isinstance(name, str) else name, value(drawn)))
        headers: list[tuple[str, bytes]] = [("Content-Type", request["type"].encode())]
        if request["jar"] is not None:
            headers.append(("Cookie", target.jars[request["jar"] % len(target.jars)].encode()))
        if request["credentials"] == "basic":
            header = basic(target.application.id, target.application.secret)
            headers.append(("Authorization", header.encode()))
        elif request["credentials"] == "bearer":
            headers.append(("Authorization", b"Bearer " + target.tokens[1].encode()))
        elif request["credentials"] == "own":
            headers.append(("Authorization", b"Bearer " + target.own_token.encode()))
        elif request["credentials"] == "post":
            pairs.append((b"client_id", target.post_application.id.encode()))
            pairs.append((b"client_secret", target.post_application.secret.encode()))
        headers += [(name, odd.replace(b"\r", b"").replace(b"\n", b"")) for name, odd in request["headers"]]
        encode = (lambda odd: quote_from_bytes(odd).encode()) if request["quoted"] else (lambda odd: odd)
        data = b"&".join(encode(name) + b"=" + encode(text) for name, text in pairs)
        if request["json"] is not None:
            body = json.dumps(request["json"]).encode("utf-8", "surrogatepass")
            headers[0] = ("Content-Type", b"application/json")
            target.send(request["method"], path, b"", body, headers)
        elif request["in_body"]:
            target.send(request["method"], path, b"", data, headers)
        else:
            target.send(request["method"], path, data.replace(b"\r", b"").replace(b"\n", b""), b"", headers)

    attack()
