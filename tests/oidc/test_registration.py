"""What an application is registered with: everything wrong with it is told at once."""

from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect import clients
from idprotect.registration import Registration, RegistrationError
from tests.oidc.server import CALLBACK, Server
from tests.oidc.signing import KEY, public

FINE = Registration(client_name="Notes", redirect_uris=(CALLBACK,))

#: An RSA key of 512 bits.
WEAK = {"kty": "RSA", "e": "AQAB", "n": urlsafe_b64encode(b"\xc5" * 64).decode().rstrip("=")}

#: What is wrong, and the member that has to be corrected.
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no name": ({"client_name": " "}, "client_name"),
    "long name": ({"client_name": "x" * 129}, "client_name"),
    "no redirect URI": ({"redirect_uris": ()}, "redirect_uris"),
    "http": ({"redirect_uris": ("http://app.example/cb",)}, "redirect_uris"),
    "script after signing out": (
        {"post_logout_redirect_uris": ("javascript:x",)},
        "post_logout_redirect_uris",
    ),
    "http logout": ({"backchannel_logout_uri": "http://app.example/"}, "backchannel_logout_uri"),
    "script as terms": ({"tos_uri": "javascript:alert(1)"}, "tos_uri"),
    "script as policy": ({"policy_uri": "data:text/html,x"}, "policy_uri"),
    "script as home": ({"client_uri": "javascript:alert(1)"}, "client_uri"),
    "unknown method": ({"token_endpoint_auth_method": "tls_client_auth"}, "token_endpoint_auth_method"),
    "unknown grant": ({"grant_types": ("password",)}, "grant_types"),
    "unknown type": ({"application_type": "toaster"}, "application_type"),
    "unknown scope of ours": ({"scope": "idprotect:everything"}, "scope"),
    "scope of ours for users": ({"scope": "idprotect:findings"}, "scope"),
    "quote in a scope": ({"scope": 'a"b'}, "scope"),
    "public for itself": (
        {"token_endpoint_auth_method": "none", "grant_types": ("client_credentials",)},
        "grant_types",
    ),
    "public without PKCE": ({"token_endpoint_auth_method": "none", "pkce": "optional"}, "pkce"),
    "no keys": ({"token_endpoint_auth_method": "private_key_jwt"}, "jwks"),
    "no key in the set": ({"jwks": {"keys": []}}, "jwks"),
    "no set of keys": ({"jwks": {"n": 5}}, "jwks"),
    "a secret as key": ({"jwks": {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}}, "jwks"),
    "a private key": ({"jwks": {"keys": [KEY.as_dict(private=True)]}}, "jwks"),
    "a broken key": ({"jwks": {"keys": [{"kty": "EC", "crv": "P-256", "x": "a", "y": "b"}]}}, "jwks"),
    "a weak key": ({"jwks": {"keys": [WEAK]}}, "jwks"),
    "keys twice": ({"jwks": public(KEY), "jwks_uri": "https://app.example/keys"}, "jwks_uri"),
    "keys over http": ({"jwks_uri": "http://app.example/keys"}, "jwks_uri"),
    "audience of two lines": ({"access_token_audience": "a\nb"}, "access_token_audience"),
    "unsigned requests": ({"request_object_signing_alg": "none"}, "request_object_signing_alg"),
    "signed requests without a key": ({"require_signed_request_object": True}, "jwks"),
    "unsigned ID tokens": ({"id_token_signed_response_alg": "none"}, "id_token_signed_response_alg"),
    "shared ID token key": ({"id_token_signed_response_alg": "HS256"}, "id_token_signed_response_alg"),
    "unknown subjects": ({"subject_type": "secret"}, "subject_type"),
    "sector over http": ({"sector_identifier_uri": "http://app.example/sector"}, "sector_identifier_uri"),
    "pairwise at two hosts": (
        {"subject_type": "pairwise", "redirect_uris": (CALLBACK, "https://b.example/cb")},
        "sector_identifier_uri",
    ),
    "pairwise on this machine": (
        {"subject_type": "pairwise", "redirect_uris": ("http://127.0.0.1/cb",)},
        "sector_identifier_uri",
    ),
    "unsigned assertions": ({"token_endpoint_auth_signing_alg": "none"}, "token_endpoint_auth_signing_alg"),
    "unsigned userinfo": ({"userinfo_signed_response_alg": "none"}, "userinfo_signed_response_alg"),
}


@pytest.mark.parametrize(("metadata", "field"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_names_its_member(metadata: dict[str, Any], field: str) -> None:
    """RFC 7591 section 2, security-requirements 6: no value goes unchecked."""
    assert FINE.problems() == ()
    assert field in {problem.field for problem in replace(FINE, **metadata).problems()}


#: Whose values decide nothing about the others.
INDEPENDENT = sorted(
    name
    for name in WRONG.keys() - {"no keys", "signed requests without a key"}
    if not {"grant_types", "jwks", "subject_type"} & WRONG[name][0].keys()
)


@given(st.sets(st.sampled_from(INDEPENDENT), min_size=1))
def test_all_problems_are_told_together(names: set[str]) -> None:
    """Nobody corrects one thing after the other; what is right for one reason is not excused by another."""
    metadata: dict[str, Any] = {}
    fields = set()
    for name in sorted(names):
        if not metadata.keys() & WRONG[name][0].keys():
            metadata |= WRONG[name][0]
            fields.add(WRONG[name][1])
    try:
        replace(FINE, **metadata).check()
    except RegistrationError as error:
        assert fields <= {problem.field for problem in error.problems}
        assert all(str(problem) in error.message for problem in error.problems)
    else:
        pytest.fail("nothing was refused")


def test_what_is_stored_reads_back_as_it_was_given(server: Server) -> None:
    """One form for everybody: what the console or RFC 7592 changes in part keeps all the rest."""
    given = Registration(
        client_name="Desk",
        redirect_uris=(CALLBACK + "/native", CALLBACK),
        token_endpoint_auth_method="private_key_jwt",
        token_endpoint_auth_signing_alg="ES256",
        jwks=public(KEY),
        grant_types=("authorization_code", "client_credentials"),
        scope="openid idprotect:findings",
        application_type="native",
        client_uri="https://desk.example/",
        policy_uri="https://desk.example/policy",
        tos_uri="https://desk.example/terms",
        post_logout_redirect_uris=("https://desk.example/out",),
        backchannel_logout_uri="https://desk.example/logout",
        subject_type="pairwise",
        id_token_signed_response_alg="PS256",
        userinfo_signed_response_alg="RS256",
        request_object_signing_alg="ES256",
        require_signed_request_object=True,
        dpop_bound_access_tokens=True,
        require_pushed_authorization_requests=True,
        pkce="or_nonce",
        access_token_audience="https://api.example",
        resources=("https://ledger.example",),
        resource_identifier="https://desk.example/api",
        first_party=True,
        id_token_at_refresh=True,
        release_risk=True,
    )
    untouched = {f for f in Registration.__dataclass_fields__ if getattr(given, f) == getattr(FINE, f)}
    assert untouched == {"jwks_uri", "sector_identifier_uri"}  # which would be fetched
    with server.arranging():
        client, _ = clients.create(given, by="test")
    with server.arranging():
        assert clients.registration_of(clients.get(client.id)) == given
