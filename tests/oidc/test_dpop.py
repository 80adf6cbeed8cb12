"""Tokens that are worth something only to the holder of a key (DPoP, RFC 9449)."""

import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import pytest
from authlib.oauth2.rfc6750.errors import InvalidTokenError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import OctKey
from werkzeug.datastructures import Headers

from idprotect.resource_server import JwtAccessTokens
from tests.oidc.server import VERIFIER, Application, Person, Server, basic, error_of
from tests.oidc.signing import KEY, LEFT_OUT, STRANGER, Key, assertion, sign
from tests.oidc.test_client_credentials import service
from tests.oidc.test_private_key_jwt import EDWARDS, JSON, RSA, signed_by_hand

TOKEN, PAR, USERINFO = (f"https://id.example/{name}" for name in ("token", "par", "userinfo"))


def ath(token: str) -> str:
    """Return what a proof says of a token."""
    return urlsafe_b64encode(sha256(token.encode()).digest()).decode().rstrip("=")


def proof(
    htu: str = TOKEN,
    htm: str = "POST",
    key: Key = KEY,
    alg: str = "ES256",
    header: Any = None,
    **changes: Any,
) -> str:
    """Return a good proof, changed."""
    claims = {"jti": secrets.token_hex(8), "htm": htm, "htu": htu, "iat": int(time.time()), **changes}
    public = key.as_dict(private=False)
    return sign(claims, key, alg, **{"typ": "dpop+jwt", "jwk": public, "kid": LEFT_OUT, **(header or {})})


def post(application: Application, *proofs: str, **form: str) -> Any:
    """Call the token endpoint with proofs."""
    headers = Headers([("DPoP", value) for value in proofs])
    if application.method == "none":
        form["client_id"] = application.id
    else:
        headers["Authorization"] = basic(application.id, application.secret)
    return application.server.send("POST", "/token", form, headers)  # type: ignore[arg-type]


def redeem(application: Application, person: Person, *proofs: str, **wanted: str) -> Any:
    """Get tokens for a person, with proofs."""
    code = application.code(person, **wanted)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": application.redirect_uri}
    return post(application, *proofs, **form, code_verifier=VERIFIER)


def userinfo(
    application: Application, token: str, *proofs: str, scheme: str = "DPoP", method: str = "GET"
) -> Any:
    """Ask for claims with proofs."""
    headers = Headers([("Authorization", f"{scheme} {token}"), *[("DPoP", value) for value in proofs]])
    return application.server.send(method, "/userinfo", headers=headers)  # type: ignore[arg-type]


@pytest.mark.parametrize(("key", "alg"), [(KEY, "ES256"), (RSA, "PS256"), (EDWARDS, "EdDSA")])
def test_a_token_is_bound_to_the_key_that_was_proved(
    application: Application, signed_in: Person, key: Key, alg: str
) -> None:
    """C012, O 9449 5 to 7: token_type, cnf, and userinfo with a proof about the token."""
    tokens = redeem(application, signed_in, proof(key=key, alg=alg)).get_json()
    assert tokens["token_type"] == "DPoP"
    told = application.introspect(tokens["access_token"])
    assert (told["token_type"], told["cnf"]) == ("DPoP", {"jkt": key.thumbprint()})
    token = tokens["access_token"]
    for method in ("GET", "POST"):
        good = proof(USERINFO, method, key, alg, ath=ath(token))
        assert userinfo(application, token, good, method=method).get_json()["sub"] == signed_in.user_id


def test_a_bound_token_is_nothing_without_its_key(application: Application, signed_in: Person) -> None:
    """O 9449 7: neither as a bearer token, nor with another key, nor with a proof about another token."""
    token = redeem(application, signed_in, proof()).get_json()["access_token"]
    other = redeem(application, signed_in, proof()).get_json()["access_token"]
    assert error_of(userinfo(application, token, scheme="Bearer")) == (401, "invalid_token")
    assert error_of(application.server.send("POST", "/userinfo", {"access_token": token})) == (
        401,
        "invalid_token",
    )
    wrong = {
        "none": (),
        "two": tuple(proof(USERINFO, "GET", ath=ath(token)) for _ in range(2)),
        "no ath": (proof(USERINFO, "GET"),),
        "another ath": (proof(USERINFO, "GET", ath=ath(other)),),
        "another method": (proof(USERINFO, "POST", ath=ath(token)),),
        "another address": (proof(TOKEN, "GET", ath=ath(token)),),
    }
    for proofs in wrong.values():
        answer = userinfo(application, token, *proofs)
        assert error_of(answer) == (401, "invalid_dpop_proof")
        assert answer.headers["WWW-Authenticate"].startswith("DPoP error=")
        assert "ES256" in answer.headers["WWW-Authenticate"]
    stranger = proof(USERINFO, "GET", STRANGER, ath=ath(token))
    assert error_of(userinfo(application, token, stranger)) == (401, "invalid_token")


def test_a_bearer_token_is_no_dpop_token(application: Application, signed_in: Person) -> None:
    """O 9449 7.1: the scheme has to fit."""
    token = application.tokens(signed_in)["access_token"]
    answer = userinfo(application, token, proof(USERINFO, "GET", ath=ath(token)))
    assert error_of(answer) == (401, "invalid_token")


def _unsigned() -> str:
    _, payload, _ = proof().split(".")
    return f"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6Im5vbmUifQ.{payload}."


NOW = int(time.time())
BAD: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no token": lambda: "x.y.z",
    "another kind": lambda: proof(header={"typ": "JWT"}),
    "no kind": lambda: proof(header={"typ": LEFT_OUT}),
    "no key": lambda: proof(header={"jwk": LEFT_OUT}),
    "private key": lambda: proof(header={"jwk": KEY.as_dict(private=True)}),
    "another key": lambda: proof(header={"jwk": STRANGER.as_dict(private=False)}),
    "a secret": lambda: proof(header={"jwk": OctKey.generate_key(256).as_dict()}),
    "unsigned": _unsigned,
    "critical": lambda: proof(header={"crit": ["exp"], "exp": 1}),
    "GET": lambda: proof(htm="GET"),
    "small letters": lambda: proof(htm="post"),
    "another endpoint": lambda: proof(USERINFO),
    "another server": lambda: proof("https://other.example/token"),
    "not TLS": lambda: proof("http://id.example/token"),
    "no htm": lambda: proof(htm=LEFT_OUT),  # type: ignore[arg-type]
    "no htu": lambda: proof(LEFT_OUT),  # type: ignore[arg-type]
    "no jti": lambda: proof(jti=LEFT_OUT),
    "odd jti": lambda: proof(jti=5),
    "no iat": lambda: proof(iat=LEFT_OUT),
    "too old": lambda: proof(iat=NOW - 1000),
    "from the future": lambda: proof(iat=NOW + 3000),
    "odd iat": lambda: proof(iat="now"),
    "long": lambda: proof(more="x" * 9000),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_a_proof_that_is_none_gives_nothing_and_costs_nothing(
    application: Application, signed_in: Person, make: Callable[[], str]
) -> None:
    """O 9449 4.3 and 5: invalid_dpop_proof; the code is still good."""
    code = application.code(signed_in)
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": application.redirect_uri}
    form["code_verifier"] = VERIFIER
    assert error_of(post(application, make(), **form)) == (400, "invalid_dpop_proof")
    assert error_of(post(application, proof(), proof(), **form)) == (400, "invalid_dpop_proof")
    assert post(application, proof(TOKEN + "?x=1#y"), **form).status_code == 200


def test_a_proof_counts_once(application: Application, signed_in: Person) -> None:
    """O 9449 11.1: also when what it came with came to nothing."""
    once = proof()
    assert error_of(post(application, once, grant_type="refresh_token", refresh_token="x")) == (
        400,
        "invalid_grant",
    )
    assert error_of(redeem(application, signed_in, once)) == (400, "invalid_dpop_proof")
    application.server.clock.move(seconds=1)
    assert redeem(application, signed_in, proof()).status_code == 200


def test_only_the_client_uses_a_proof_up(application: Application) -> None:
    """Nobody fills our memory who is not authenticated."""
    once = proof()
    stranger = Application(application.server, application.id, "wrong" * 9, application.method, "")
    assert (
        error_of(post(stranger, once, grant_type="refresh_token", refresh_token="x"))[1] == "invalid_client"
    )
    assert (
        error_of(post(application, once, grant_type="refresh_token", refresh_token="x"))[1] == "invalid_grant"
    )


def test_refresh_tokens_of_public_clients_are_bound(server: Server, signed_in: Person) -> None:
    """O 9449 5: nothing else proves whose they are; a refusal uses nothing up."""
    public = server.application(public=True)
    stolen = redeem(public, signed_in, proof()).get_json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": stolen}
    assert error_of(post(public, **form)) == (400, "invalid_grant")
    assert error_of(post(public, proof(key=STRANGER), **form)) == (400, "invalid_grant")
    answer = post(public, proof(), **form)
    assert answer.status_code == 200
    assert answer.get_json()["token_type"] == "DPoP"


def test_a_client_may_be_held_to_keys(server: Server, signed_in: Person) -> None:
    """O 9449 5.2: dpop_bound_access_tokens; at every grant."""
    application = server.application(dpop_bound_access_tokens=True)
    assert error_of(redeem(application, signed_in)) == (400, "invalid_dpop_proof")
    tokens = redeem(application, signed_in, proof()).get_json()
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    assert error_of(post(application, **refresh)) == (400, "invalid_dpop_proof")
    assert post(application, proof(key=STRANGER), **refresh).get_json()["token_type"] == "DPoP"


def test_a_code_may_be_bound_before_it_is_issued(application: Application, signed_in: Person) -> None:
    """O 9449 10: dpop_jkt in the request; without that key the code is worth nothing."""
    wanted = {"dpop_jkt": str(KEY.thumbprint())}
    assert error_of(redeem(application, signed_in, **wanted)) == (400, "invalid_grant")
    assert error_of(redeem(application, signed_in, proof(key=STRANGER), **wanted)) == (400, "invalid_grant")
    assert redeem(application, signed_in, proof(), **wanted).status_code == 200


def pushed(application: Application, *proofs: str, **changes: str | None) -> Any:
    """Push a request with proofs."""
    headers = Headers([("DPoP", value) for value in proofs])
    headers["Authorization"] = basic(application.id, application.secret)
    return application.server.send("POST", "/par", application.request(**changes), headers)  # type: ignore[arg-type]


@pytest.mark.parametrize("named", [None, str(KEY.thumbprint())], ids=["proof alone", "beside dpop_jkt"])
def test_a_proof_with_a_pushed_request_binds_its_code(
    application: Application, signed_in: Person, named: str | None
) -> None:
    """O 9449 10.1: as if the request had said dpop_jkt itself."""

    def code() -> str:
        answer = pushed(application, proof(htu=PAR), dpop_jkt=named)
        assert answer.status_code == 201, answer.text
        query = urlencode({"client_id": application.id, "request_uri": answer.get_json()["request_uri"]})
        return str(signed_in.go(f"/authorize?{query}").answer["code"])

    form = {"grant_type": "authorization_code", "redirect_uri": application.redirect_uri}
    form["code_verifier"] = VERIFIER
    assert error_of(post(application, code=code(), **form)) == (400, "invalid_grant")
    assert error_of(post(application, proof(key=STRANGER), code=code(), **form)) == (400, "invalid_grant")
    assert post(application, proof(), code=code(), **form).status_code == 200


def test_a_pushed_request_with_a_bad_proof_is_refused(application: Application) -> None:
    """O 9449 10.1: it is checked here, and a dpop_jkt beside it has to be of its key; once used, it is used up."""
    refused = (400, "invalid_dpop_proof")
    assert error_of(pushed(application, proof(htu=TOKEN))) == refused
    assert error_of(pushed(application, proof(htu=PAR), dpop_jkt=str(STRANGER.thumbprint()))) == refused
    once = proof(htu=PAR)
    assert pushed(application, once).status_code == 201
    assert error_of(pushed(application, once)) == refused


def test_fapi_keeps_a_refresh_token(server: Server, signed_in: Person) -> None:
    """C021, FAPI2SPFinalRefreshToken; FAPI 2.0 5.3.2.1: not rotated, good as long as it is used, and revoked as any."""
    application = server.application(
        token_endpoint_auth_method="private_key_jwt",
        require_pushed_authorization_requests=True,
        dpop_bound_access_tokens=True,
    )

    def ask(**form: str) -> Any:
        return server.send("POST", "/token", {**assertion(application), **form}, {"DPoP": proof()})

    reference = application.post("/par", **application.request()).get_json()["request_uri"]
    query = urlencode({"client_id": application.id, "request_uri": reference})
    code = signed_in.go(f"/authorize?{query}").answer["code"]
    redeemed = {"code": code, "redirect_uri": application.redirect_uri, "code_verifier": VERIFIER}
    kept = ask(grant_type="authorization_code", **redeemed).get_json()["refresh_token"]
    for _ in range(3):
        server.clock.move(days=20)
        answer = ask(grant_type="refresh_token", refresh_token=kept)
        assert answer.status_code == 200, answer.text
        assert "refresh_token" not in answer.get_json()
        assert application.introspect(answer.get_json()["access_token"])["active"]
    application.post("/revoke", token=kept)
    assert not application.introspect(answer.get_json()["access_token"])["active"]
    assert error_of(ask(grant_type="refresh_token", refresh_token=kept)) == (400, "invalid_grant")


def test_a_resource_server_reads_the_key(server: Server, signed_in: Person) -> None:
    """O 9449 6.1: cnf.jkt in a JWT access token."""
    application = server.application(access_token_audience="https://api.example")
    token = redeem(application, signed_in, proof()).get_json()["access_token"]
    claims = jwt.decode(token, server.keys(), ["RS256"]).claims
    assert claims["cnf"] == {"jkt": KEY.thumbprint()}

    class Api(JwtAccessTokens):  # type: ignore[misc]
        def get_jwks(self) -> Any:
            return server.keys()

        def _keys(self, kid: str | None) -> Any:
            return server.keys()

    api, bearer = Api("https://id.example", "https://api.example"), application.tokens(signed_in)
    assert api.authenticate_token(bearer["access_token"])["sub"] == signed_in.user_id
    with pytest.raises(InvalidTokenError):
        api.authenticate_token(token)


@pytest.mark.parametrize(
    ("method", "path", "right"), [("POST", "/api/v1/findings", 422), ("GET", "/ssf/stream", 200)]
)
def test_our_own_interfaces_take_a_bound_token_with_its_proof(
    server: Server, method: str, path: str, right: int
) -> None:
    """C012, O 9449 7: the key that it is bound to, for this request, once; else it is worth nothing."""
    scope = "idprotect:findings idprotect:signals"
    siem = service(server, scope=scope)
    bound, other, bearer = (
        post(siem, *proofs, grant_type="client_credentials", scope=scope).get_json()["access_token"]
        for proofs in ((proof(),), (proof(),), ())
    )
    assert siem.introspect(bound)["cnf"] == {"jkt": KEY.thumbprint()}

    def ask(token: str, *proofs: str, scheme: str = "DPoP") -> tuple[int, str]:
        headers = Headers([("Authorization", f"{scheme} {token}"), *[("DPoP", value) for value in proofs]])
        body = {"data": "{}", "content_type": "application/json"} if method == "POST" else {}
        client = server.front.test_client(use_cookies=False)
        answer = client.open(path, method=method, headers=headers, base_url="https://id.example", **body)
        return answer.status_code, answer.headers.get("WWW-Authenticate", "")

    def proved(token: str, **changes: Any) -> str:
        return proof(f"https://id.example{path}", **{"htm": method, "ath": ath(token), **changes})

    once = proved(bound)
    assert ask(bound, once)[0] == right
    for bad in ((once,), (), (proved(other),), (proved(bound), proved(bound)), (proved(bound, htm="PUT"),)):
        status, challenge = ask(bound, *bad)
        assert (status, challenge.startswith('DPoP error="invalid_dpop_proof", algs="')) == (401, True), bad
    for status, challenge in (
        ask(bound, scheme="Bearer"),
        ask(bound, proved(bound), scheme="Bearer"),
        ask(bound, proved(bound, key=STRANGER)),
        ask(bearer, proved(bearer)),
    ):
        assert (status, 'error="invalid_token"' in challenge) == (401, True)
    assert ask(bearer, scheme="Bearer")[0] == right
    assert ask("", scheme="DPoP")[0] == ask(bearer, scheme="Basic")[0] == 401


def test_dpop_is_announced(server: Server) -> None:
    """O 9449 5.1."""
    said = server.send("GET", "/.well-known/oauth-authorization-server").get_json()
    assert {"ES256", "EdDSA"} <= set(said["dpop_signing_alg_values_supported"])


@given(
    header=st.dictionaries(st.sampled_from(["typ", "alg", "jwk", "kid", "crit"]), JSON, max_size=2),
    claims=st.dictionaries(st.sampled_from(["htm", "htu", "iat", "jti", "ath"]), JSON, max_size=2),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_proofs_are_answered(application: Application, header: Any, claims: Any) -> None:
    """A 9.1: whatever a proof says, no error of ours."""
    protected = {"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.as_dict(private=False), **header}
    said = {"htm": "POST", "htu": TOKEN, "iat": int(time.time()), "jti": secrets.token_hex(8), **claims}
    value = signed_by_hand(protected, json.dumps(said).encode())
    answer = post(application, value, grant_type="refresh_token", refresh_token="x")
    assert error_of(answer) in ((400, "invalid_dpop_proof"), (400, "invalid_grant"))
