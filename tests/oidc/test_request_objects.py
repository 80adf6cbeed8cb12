"""Signed authorization requests (RFC 9101): an object is the whole request, of its client alone, for us alone."""

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oidc.server import CALLBACK, FOREIGN, Application, Person, Server, error_of
from tests.oidc.signing import (
    KEY,
    LEFT_OUT,
    STRANGER,
    assertion_claims,
    public,
    request_object,
    sign,
)
from tests.oidc.test_private_key_jwt import JSON, RSA, Shelf, kept, signed_by_hand
from tests.oidc.test_pushed_requests import go

__all__ = ["kept"]

ISSUER = "https://id.example"
NOW = int(time.time())


@pytest.fixture
def signer(server: Server) -> Application:
    """An application with a registered key."""
    return server.application(jwks=public(KEY))


def url(application: Application, value: str, **beside: str) -> str:
    """Return where a person is sent with an object."""
    return "/authorize?" + urlencode({"client_id": application.id, "request": value, **beside})


def test_a_signed_request_gets_a_code(signer: Application, person: Person) -> None:
    """O 9101 5.1: through the pages, with everything that was signed, numbers and claims too."""
    claims = {"id_token": {"acr": {"essential": False}}}
    value = request_object(signer, state="signed state", max_age=3600, claims=claims)
    person.go(url(signer, value)).sign_in()
    assert person.answer["state"] == "signed state"
    tokens = signer.redeem(person.answer["code"]).get_json()
    assert signer.claims(tokens["id_token"])["nonce"] == "a-nonce"


def test_what_stands_beside_an_object_does_not_count(signer: Application, signed_in: Person) -> None:
    """O 9101 6.3: not even where the object says nothing."""
    value = request_object(signer, nonce=LEFT_OUT)
    beside = {"redirect_uri": FOREIGN, "state": "other", "scope": "openid", "nonce": "beside"}
    signed_in.go(url(signer, value, **beside))
    assert signed_in.path.startswith(CALLBACK)
    assert signed_in.answer["state"] == "a state"
    claims = signer.claims(signer.redeem(signed_in.answer["code"]).get_json()["id_token"])
    assert "nonce" not in claims


def test_an_object_can_be_pushed(signer: Application, signed_in: Person) -> None:
    """O 9126 3: the one way of sending an object by reference."""
    answer = signer.post("/par", request=request_object(signer, state="pushed"))
    assert answer.status_code == 201, answer.text
    assert go(signed_in, signer, answer.get_json()["request_uri"]).answer["state"] == "pushed"


def test_an_object_can_be_posted_from_another_site(signer: Application, signed_in: Person) -> None:
    """SameSite: kept, and looked at again by GET; also one that is too long for a URL."""
    value = request_object(signer, unknown="x" * 900, other="y" * 900)
    answer = signed_in.server.send("POST", "/authorize", {"client_id": signer.id, "request": value})
    assert answer.status_code == 303
    assert "code" in signed_in.go(answer.location).answer


@pytest.mark.parametrize("way", ["by value", "pushed"])
def test_a_signed_request_meets_every_interruption(server: Server, way: str) -> None:
    """Section 2: this entry asks the gate, and the pages lead back to what was signed."""
    application = server.application(jwks=public(KEY), first_party=False)

    def begin(person: Person, **changes: str) -> Person:
        value = request_object(application, **changes)
        if way == "by value":
            return person.go(url(application, value))
        return go(person, application, application.post("/par", request=value).get_json()["request_uri"])

    person = begin(server.person(authenticators=("totp",), groups=("careful",))).sign_in()
    assert person.step == "mfa"
    assert person.prove().step == "consent"
    person.submit(button="allow")
    assert application.redeem(person.answer["code"]).status_code == 200
    assert begin(server.person(groups=("unwanted",)).sign_in()).step == "block"
    assert begin(server.person(), prompt="none").answer["error"] == "login_required"
    assert begin(server.person().sign_in(), prompt="none").answer["error"] == "consent_required"


def _unsigned(application: Application) -> str:
    _, payload, _ = request_object(application).split(".")
    return f"eyJhbGciOiJub25lIn0.{payload}."


REFUSED: dict[str, Callable[[Application], str]] = {
    "signed by somebody else": lambda a: request_object(a, key=STRANGER),
    "unsigned": _unsigned,
    "an unknown key": lambda a: request_object(a, header={"kid": "two"}),
    "an assertion": lambda a: sign(assertion_claims(a)),
    "an assertion with a request": lambda a: request_object(a, sub=a.id),
    "another kind": lambda a: request_object(a, header={"typ": "at+jwt"}),
    "no issuer": lambda a: request_object(a, iss=LEFT_OUT),
    "another issuer": lambda a: request_object(a, iss="somebody"),
    "no audience": lambda a: request_object(a, aud=LEFT_OUT),
    "another audience": lambda a: request_object(a, aud="https://other.example"),
    "no end": lambda a: request_object(a, exp=LEFT_OUT),
    "too old": lambda a: request_object(a, exp=NOW - 60),
    "far too long": lambda a: request_object(a, exp=NOW + 100_000),
    "not yet": lambda a: request_object(a, nbf=NOW + 3000),
    "another client": lambda a: request_object(a, client_id="somebody"),
    "no client": lambda a: request_object(a, client_id=LEFT_OUT),
    "an object in it": lambda a: request_object(a, request="x.y.z"),
    "a reference in it": lambda a: request_object(a, request_uri="https://app.example/object"),
    "a list": lambda a: request_object(a, state=["a", "b"]),
    "a truth": lambda a: request_object(a, prompt=True),
    "nothing": lambda a: "x",
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_an_object_that_is_not_its_client_s_is_refused(
    signer: Application, signed_in: Person, make: Callable[[Application], str]
) -> None:
    """O 9101 6 and 10: told to the registered redirect URI; to any other URI nothing goes."""
    value = make(signer)
    outside = {"redirect_uri": CALLBACK, "state": "outside", "response_type": "code"}
    answer = signed_in.go(url(signer, value, **outside)).answer
    assert (answer["error"], answer["state"]) == ("invalid_request_object", "outside")
    assert answer["iss"] == ISSUER
    for beside in ({}, {"redirect_uri": FOREIGN}):
        response = signed_in.send("GET", url(signer, value, **beside))
        assert response.status_code == 400
        assert "Location" not in response.headers
    pushed = signer.post("/par", request=value, redirect_uri=CALLBACK)
    assert error_of(pushed) == (400, "invalid_request_object")
    assert "Location" not in pushed.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "openid everything"}, "invalid_scope"),
        ({"code_challenge": LEFT_OUT}, "invalid_request"),
        ({"prompt": "maybe"}, "invalid_request"),
        ({"max_age": -1}, "invalid_request"),
        ({"claims": {"userinfo": [1]}}, "invalid_request"),
    ],
)
def test_what_an_object_says_is_validated_like_any_request(
    signer: Application, signed_in: Person, changes: dict[str, Any], error: str
) -> None:
    """O 9101 6.3: answered at the redirect URI of the object; a foreign one there gets nothing."""
    answer = signed_in.go(url(signer, request_object(signer, **changes))).answer
    assert (answer["error"], answer["state"]) == (error, "a state")
    for bad in ({"redirect_uri": FOREIGN}, {"redirect_uri": LEFT_OUT}, {"redirect_uri": CALLBACK + "\n"}):
        response = signed_in.send("GET", url(signer, request_object(signer, **{**changes, **bad})))
        assert response.status_code == 400
        assert "Location" not in response.headers


def test_a_client_without_keys_signs_nothing(application: Application, signed_in: Person) -> None:
    """O 9101 6.2: there is nothing to verify with."""
    answer = signed_in.go(url(application, request_object(application), redirect_uri=CALLBACK)).answer
    assert answer["error"] == "invalid_request_object"


def test_object_and_reference_exclude_each_other(signer: Application, signed_in: Person) -> None:
    """O 9101 5."""
    value = request_object(signer)
    beside = {"request_uri": "https://app.example/object", "redirect_uri": CALLBACK}
    assert signed_in.go(url(signer, value, **beside)).answer["error"] == "invalid_request"


def test_no_object_is_fetched(server: Server, kept: Shelf, signed_in: Person) -> None:
    """SR6: by reference only through PAR; nobody makes us call an address."""
    application = server.application(jwks=public(KEY))
    assert application.ask(signed_in, request_uri=kept.url)["error"] == "request_uri_not_supported"
    assert kept.asked == 0


def test_a_client_may_be_held_to_signing(server: Server, signed_in: Person) -> None:
    """O 9101 10.5: whatever is not signed is refused, also when it is pushed."""
    application = server.application(jwks=public(KEY), require_signed_request_object=True)
    assert application.ask(signed_in)["error"] == "invalid_request"
    assert error_of(application.post("/par", **application.request())) == (400, "invalid_request")
    assert "code" in signed_in.go(url(application, request_object(application))).answer
    reference = application.post("/par", request=request_object(application)).get_json()["request_uri"]
    assert "code" in go(signed_in, application, reference).answer


def test_only_the_registered_algorithm_will_do(server: Server, signed_in: Person) -> None:
    """OIDC Registration 2: request_object_signing_alg."""
    application = server.application(jwks=public(RSA), request_object_signing_alg="PS256")
    for algorithm, key in (("PS256", "code"), ("RS256", "error")):
        value = request_object(application, key=RSA, alg=algorithm)
        assert key in signed_in.go(url(application, value, redirect_uri=CALLBACK)).answer


def test_a_client_that_pushes_may_not_send_objects_itself(server: Server, signed_in: Person) -> None:
    """O 9126 6: signed is not pushed."""
    application = server.application(jwks=public(KEY), require_pushed_authorization_requests=True)
    assert signed_in.go(url(application, request_object(application))).answer["error"] == "invalid_request"


@given(
    name=st.sampled_from(
        ["iss", "aud", "exp", "client_id", "redirect_uri", "state", "claims", "max_age", "nonce"]
    ),
    value=JSON,
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_hostile_objects_are_answered(signer: Application, name: str, value: Any) -> None:
    """Stack notes 3.3, A 9.1: a list for a state is no error of ours."""
    now = int(time.time())
    claims = {"iss": signer.id, "aud": ISSUER, "exp": now + 300, **signer.request(), name: value}
    answer = signer.server.send(
        "GET", url(signer, signed_by_hand({"alg": "ES256"}, json.dumps(claims).encode()))
    )
    assert answer.status_code in (303, 400)
    assert not answer.headers.get("Location", CALLBACK).startswith(FOREIGN)
