"""Client authentication by signing: ``private_key_jwt`` (RFC 7523, OIDC Core section 9), with registered or fetched keys."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from idprotect import clients, clock, retention
from idprotect.oidc.client_jwts import LEEWAY
from idprotect.senders import SendError
from idprotect.senders.outgoing import get
from tests.oidc.server import Application, Person, Server, basic, error_of
from tests.oidc.signing import (
    KEY,
    LEFT_OUT,
    STRANGER,
    Key,
    assertion,
    assertion_claims,
    presented,
    public,
    sign,
)
from tests.oidc.test_client_authentication import assert_refused

ENDPOINTS = ["/token", "/introspect", "/revoke", "/par"]
ISSUER = "https://id.example"
#: Signs whatever it is given, where the library itself would refuse.
ALGORITHM = jws.JWSRegistry.algorithms["ES256"]
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EDWARDS = OKPKey.generate_key("Ed25519", {"kid": "edwards"})


@pytest.fixture
def signer(server: Server) -> Application:
    """An application that authenticates by signing."""
    return server.application(token_endpoint_auth_method="private_key_jwt")


def test_what_was_issued_for_a_key_goes_with_it(
    server: Server, signer: Application, signed_in: Person
) -> None:
    """I2: a key is replaced because others may have it; one that is only added takes nothing away."""
    tokens = signer.tokens(signed_in)
    with server.arranging():
        row = signer.row()
        both = {"keys": [*row.jwks["keys"], RSA.as_dict(private=False)]}
        clients.change(row, replace(clients.registration_of(row), jwks=both), "eve")
    assert signer.userinfo(tokens["access_token"]).status_code == 200
    with server.arranging():
        row = signer.row()
        other = {"keys": [RSA.as_dict(private=False)]}
        clients.change(row, replace(clients.registration_of(row), jwks=other), "eve")
    assert signer.userinfo(tokens["access_token"]).status_code == 401


def use(application: Application, form: dict[str, str], endpoint: str = "/token", **more: Any) -> Any:
    """Send something that every endpoint could answer, were the client authenticated."""
    body = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x", **form}
    return application.server.send("POST", endpoint, body, **more)


def is_accepted(answer: Any) -> bool:
    """Whether it failed for the reason that a client meets only once it is authenticated."""
    passed = {(200, ""), (400, "invalid_grant"), (400, "unsupported_response_type")}
    return error_of(answer) in passed


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("audience", [ISSUER, f"{ISSUER}/token", "this endpoint", [ISSUER]], ids=str)
def test_an_assertion_is_good_at_every_endpoint(signer: Application, endpoint: str, audience: Any) -> None:
    """O 7523 3, O 9126 2, FAPI 2.0 5.3.2.1: for the issuer, the token endpoint, or where it is sent."""
    aud = ISSUER + endpoint if audience == "this endpoint" else audience
    assert is_accepted(use(signer, assertion(signer, aud=aud), endpoint))
    assert is_accepted(use(signer, {**assertion(signer, aud=aud), "client_id": signer.id}, endpoint))


@pytest.mark.parametrize(
    ("key", "algorithm"), [(KEY, "ES256"), (RSA, "RS256"), (RSA, "PS256"), (EDWARDS, "EdDSA")]
)
def test_every_algorithm_of_ours_is_verified(
    server: Server, signed_in: Person, key: Key, algorithm: str
) -> None:
    """SR6 fixed algorithm list; the key is found by its id among several."""
    application = server.application(
        token_endpoint_auth_method="private_key_jwt", jwks=public(KEY, RSA, EDWARDS)
    )
    code = application.code(signed_in)
    form = presented(sign(assertion_claims(application), key, algorithm))
    application.method = "by hand"
    answer = application.redeem(code, **form)
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["id_token"]


def changed(**changes: Any) -> Callable[[Application], str]:
    """Return an assertion with other claims."""
    return lambda application: sign(assertion_claims(application, **changes))


def headed(**header: Any) -> Callable[[Application], str]:
    """Return an assertion with another header."""
    return lambda application: sign(assertion_claims(application), **header)


def _unsigned(application: Application) -> str:
    _, payload, _ = sign(assertion_claims(application)).split(".")
    return f"eyJhbGciOiJub25lIn0.{payload}."


def _by_secret(application: Application) -> str:
    """Sign with the public key as if it were a secret."""
    text = json.dumps(public(KEY)["keys"][0])
    header = {"alg": "HS256", "kid": "one"}
    claims = json.dumps(assertion_claims(application)).encode()
    return jws.serialize_compact(header, claims, OctKey.import_key(text), ["HS256"])


NOW = int(time.time())
REFUSED: dict[str, Callable[[Application], str]] = {
    "signed by somebody else": lambda a: sign(assertion_claims(a), STRANGER),
    "unsigned": _unsigned,
    "signed with the public key": _by_secret,
    "a key of its own": lambda a: sign(
        assertion_claims(a), STRANGER, kid=LEFT_OUT, jwk=STRANGER.as_dict(private=False)
    ),
    "an unknown key": headed(kid="two"),
    "a request object": headed(typ="oauth-authz-req+jwt"),
    "an access token": headed(typ="at+jwt"),
    "a DPoP proof": headed(typ="dpop+jwt"),
    "something critical": headed(crit=["exp"], exp=1),
    "unencoded": headed(b64=True, crit=["b64"]),
    "no issuer": changed(iss=LEFT_OUT),
    "another issuer": changed(iss="somebody"),
    "no subject": changed(sub=LEFT_OUT),
    "another subject": changed(sub="somebody"),
    "no audience": changed(aud=LEFT_OUT),
    "another audience": changed(aud="https://other.example"),
    "audience with a slash": changed(aud=ISSUER + "/"),
    "no end": changed(exp=LEFT_OUT),
    "too old": changed(exp=NOW - 60),
    "far too long": changed(exp=NOW + 100_000),
    "not yet": changed(nbf=NOW + 3000),
    "from the future": changed(iat=NOW + 3000),
    "no identifier": changed(jti=LEFT_OUT),
    "an empty identifier": changed(jti=""),
    "an identifier that is none": changed(jti=5),
    "an end that is none": changed(exp="soon"),
    "an end without end": changed(exp=float("inf")),
    "no end at all": changed(exp=float("nan")),
    "a true end": changed(exp=True),
    "a list": lambda a: sign({**assertion_claims(a), "sub": [a.id]}),
    "nothing": lambda a: "x",
    "three parts of nothing": lambda a: "..",
    "encrypted": lambda a: "a.b.c.d.e",
}


def test_a_header_may_say_more_than_we_know(signer: Application) -> None:
    """O 7515 4: what is not understood is ignored; no key or address in it is used."""
    header = {"x": 1, "jwk": STRANGER.as_dict(private=False), "jku": "https://other.example/keys"}
    assert is_accepted(use(signer, presented(sign(assertion_claims(signer), **header))))


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_whatever_is_not_its_own_assertion_is_refused(
    signer: Application, make: Callable[[Application], str]
) -> None:
    """SR6 JWTs from outside: keys and algorithms as registered; aud, iss, exp strict; kinds never interchangeable."""
    assert is_accepted(use(signer, assertion(signer)))
    assert_refused(use(signer, presented(make(signer))))


def test_an_assertion_counts_once_at_all_endpoints(signer: Application) -> None:
    """SR6 jti once: also when the request itself came to nothing, and on another worker."""
    form = assertion(signer)
    assert is_accepted(use(signer, form))
    for endpoint in ENDPOINTS:
        assert_refused(use(signer, form, endpoint))
    again = signer.server.app.test_client().post(
        "/token", data={**form, "grant_type": "refresh_token", "refresh_token": "x"}, base_url=ISSUER
    )
    assert_refused(again)


def test_an_assertion_is_remembered_for_as_long_as_it_is_good(
    signer: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SR6 jti once: to the last moment of its leeway, whatever a purge takes away before."""
    start = datetime(2031, 1, 1, tzinfo=UTC).timestamp()
    last = start + 60 + LEEWAY - 0.1

    def at(moment: float) -> None:
        monkeypatch.setattr(clock, "now", lambda: datetime.fromtimestamp(moment, UTC))

    used, other = (assertion(signer, iat=int(start), exp=int(start) + 60) for _ in range(2))
    at(start + 0.5)
    assert is_accepted(use(signer, used))
    at(last)
    assert is_accepted(use(signer, other)), "it is good, still"
    with signer.server.arranging():
        retention.purge()
    assert_refused(use(signer, used))


def test_an_identifier_is_unique_for_its_client_alone(server: Server, signer: Application) -> None:
    """O 7519 4.1.7: another client may choose the same."""
    other = server.application(token_endpoint_auth_method="private_key_jwt")
    assert is_accepted(use(signer, assertion(signer, jti="same")))
    assert is_accepted(use(other, assertion(other, jti="same")))
    assert_refused(use(other, assertion(other, jti="same")))


def test_only_the_registered_algorithm_will_do(server: Server) -> None:
    """OIDC Registration 2: token_endpoint_auth_signing_alg."""
    strict = server.application(
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg="PS256",
        jwks=public(RSA),
    )
    assert is_accepted(use(strict, presented(sign(assertion_claims(strict), RSA, "PS256"))))
    assert_refused(use(strict, presented(sign(assertion_claims(strict), RSA, "RS256"))))


@pytest.fixture
def strict(server: Server) -> Application:
    """An application that is registered for all that FAPI 2.0 wants, with an RSA key."""
    return server.application(
        token_endpoint_auth_method="private_key_jwt",
        require_pushed_authorization_requests=True,
        dpop_bound_access_tokens=True,
        jwks=public(RSA),
    )


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("audience", [f"{ISSUER}/token", f"{ISSUER}/par", [ISSUER]], ids=str)
def test_fapi_knows_the_issuer_alone(strict: Application, endpoint: str, audience: Any) -> None:
    """C021, FAPI2SPFinalPAREndpointAsArrayAudienceFails and its like; FAPI 2.0 5.3.2.1."""
    for aud, is_good in ((ISSUER, True), (audience, False)):
        signed = presented(sign({**assertion_claims(strict), "aud": aud}, RSA, "PS256"))
        assert (error_of(use(strict, signed, endpoint))[1] != "invalid_client") == is_good


def test_fapi_has_no_rs256(strict: Application) -> None:
    """C021, FAPI2SPFinalEnsureSignedClientAssertionWithRS256Fails; FAPI 2.0 5.4.1: also where no algorithm is registered."""
    assert_refused(use(strict, presented(sign(assertion_claims(strict), RSA, "RS256")), "/par"))
    assert is_accepted(use(strict, presented(sign(assertion_claims(strict), RSA, "PS256")), "/par"))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_signing_is_one_way_and_the_only_one(
    server: Server, signer: Application, application: Application, endpoint: str
) -> None:
    """SR6 exactly as registered: neither another way for a signer nor an assertion for others; nor two ways at once."""
    assert_refused(use(signer, {"client_id": signer.id}, endpoint))
    assert_refused(use(signer, {"client_id": signer.id, "client_secret": "x" * 40}, endpoint))
    assert_refused(use(application, assertion(application), endpoint))
    assert_refused(use(signer, {**assertion(signer), "client_id": application.id}, endpoint))
    assert_refused(use(signer, {**assertion(signer), "client_assertion_type": "urn:other"}, endpoint))
    assert_refused(use(signer, {"client_assertion": assertion(signer)["client_assertion"]}, endpoint))
    both = use(signer, {**assertion(signer), "client_secret": "x"}, endpoint)
    assert error_of(both) == (400, "invalid_request")
    header = {"Authorization": basic(signer.id, "x")}
    assert error_of(use(signer, assertion(signer), endpoint, headers=header)) == (400, "invalid_request")


def test_a_signer_that_is_disabled_is_refused(server: Server, signer: Application) -> None:
    """I2: at the next use."""
    with server.arranging():
        clients.set_enabled(signer.row(), False, "test")
    assert_refused(use(signer, assertion(signer)))


def signed_by_hand(header: dict[str, Any], payload: bytes) -> str:
    """Sign what the library would refuse to."""
    parts = ".".join(
        urlsafe_b64encode(part).decode().rstrip("=") for part in (json.dumps(header).encode(), payload)
    )
    signature = urlsafe_b64encode(ALGORITHM.sign(parts.encode(), KEY)).decode().rstrip("=")
    return f"{parts}.{signature}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(
    name=st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti"]),
    value=JSON,
    header=st.dictionaries(
        st.sampled_from(["kid", "typ", "crit", "jwk", "x5c", "b64", "zip", "x"]), JSON, max_size=2
    ),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_tokens_are_refused_without_a_stumble(
    signer: Application, name: str, value: Any, header: dict[str, Any]
) -> None:
    """A 9.1: whatever a signed token says, the answer is one of two."""
    payload = json.dumps(assertion_claims(signer, **{name: value})).encode()
    protected = {"alg": "ES256", "kid": "one", **header}
    token = signed_by_hand(protected, payload)
    answer = use(signer, presented(token))
    assert error_of(answer) in ((401, "invalid_client"), (400, "invalid_grant"), (400, "invalid_request"))


# Keys that are fetched


@dataclass
class Shelf:
    """Where an application keeps its keys.

    :ivar status, body: what is answered.
    :ivar asked: how often.
    """

    url: str = ""
    status: int = 200
    body: bytes = b""
    asked: int = 0
    accepted: list[str] = field(default_factory=list)


@contextmanager
def shelf() -> Iterator[Shelf]:
    """Serve keys on the loopback address."""
    kept = Shelf()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kept.asked += 1
            kept.accepted.append(self.headers["Accept"])
            self.send_response(kept.status)
            if kept.status in (301, 302, 307):
                self.send_header("Location", kept.url + "?again")
            self.send_header("Content-Length", str(len(kept.body)))
            self.end_headers()
            self.wfile.write(kept.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_port}/keys"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield kept
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def kept() -> Iterator[Shelf]:
    """Keys at a URL of the application."""
    with shelf() as opened:
        opened.body = json.dumps(public(KEY)).encode()
        yield opened


@pytest.fixture
def fetched(server: Server, kept: Shelf) -> Application:
    """An application whose keys are fetched."""
    return server.application(token_endpoint_auth_method="private_key_jwt", jwks_uri=kept.url)


def test_keys_are_fetched_once_and_kept(fetched: Application, kept: Shelf) -> None:
    """SR6 server-side fetches: not for each request; and again after ten minutes."""
    for _ in range(3):
        assert is_accepted(use(fetched, assertion(fetched)))
    assert kept.asked == 1
    assert "application/jwk-set+json" in kept.accepted[0]
    fetched.server.clock.move(seconds=601)
    assert is_accepted(use(fetched, assertion(fetched)))
    assert kept.asked == 2


def test_a_new_key_is_fetched_when_it_comes_but_once_a_minute(fetched: Application, kept: Shelf) -> None:
    """OIDC Core 10.1.1 rotation; and nobody makes us call an application for each made-up key."""
    assert is_accepted(use(fetched, assertion(fetched)))
    new = ECKey.generate_key("P-256", {"kid": "two"})
    kept.body = json.dumps(public(new)).encode()
    for _ in range(3):
        assert_refused(use(fetched, presented(sign(assertion_claims(fetched), new))))
    assert kept.asked == 1
    fetched.server.clock.move(seconds=61)
    assert is_accepted(use(fetched, presented(sign(assertion_claims(fetched), new))))
    assert_refused(use(fetched, assertion(fetched)))
    assert kept.asked == 2


def test_keys_outlive_an_outage_but_not_for_ever(fetched: Application, kept: Shelf) -> None:
    """An application's web server may be down for a while; keys that nobody can withdraw may not."""
    assert is_accepted(use(fetched, assertion(fetched)))
    kept.status = 500
    fetched.server.clock.move(hours=11)
    assert is_accepted(use(fetched, assertion(fetched)))
    fetched.server.clock.move(hours=2)
    assert_refused(use(fetched, assertion(fetched)))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, None),
        (302, None),
        (200, b""),
        (200, b"<html>"),
        (200, b"[]"),
        (200, b'{"keys": []}'),
        (200, b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'),
        (200, b"[" * 60_000),
        (200, b" " * 70_000),
    ],
    ids=str,
)
def test_what_is_no_key_set_verifies_nothing(
    fetched: Application, kept: Shelf, status: int, body: bytes | None
) -> None:
    """SR6 server-side fetches: no redirects, at most 64 KiB; nothing but public keys."""
    kept.status, kept.body = status, kept.body if body is None else body
    assert_refused(use(fetched, assertion(fetched)))
    assert kept.asked == 1


def test_in_production_no_keys_are_fetched_from_this_machine(kept: Shelf) -> None:
    """SR6 server-side fetches with a canary: by name or number, over http or TLS."""
    port = kept.url.rpartition(":")[2]
    for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"):
        for scheme in ("http", "https"):
            with pytest.raises(SendError):
                get(f"{scheme}://{host}:{port}", accept="application/json")
    assert kept.asked == 0
