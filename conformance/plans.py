"""The plans, in the order in which they are run, and what each is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from joserfc.jwk import RSAKey

from conformance import browser
from conformance.provider import Provider

ALIAS = "idprotect"
STATIC = {"server_metadata": "discovery", "client_registration": "static_client"}
#: The suite is called, too, on loopback: where it is told that somebody signed out, and where its keys are.
CALLED = {"DEVELOPMENT": "true"}


def static(provider: Provider) -> dict[str, Any]:
    """The applications that ``conformance-profile`` registers."""
    return {name: provider.profile[name] for name in ("client", "client2", "client_secret_post")}


def dynamic(provider: Provider) -> dict[str, Any]:
    """What the suite needs to register its applications itself."""
    token = provider.profile["initial_access_token"]
    return {
        name: {"client_name": f"Conformance suite: {name}", "initial_access_token": token}
        for name in ("client", "client2")
    }


def fapi(provider: Provider) -> dict[str, Any]:
    """Two applications that sign and hold keys; the second's redirect URI has a query, as the suite wants it."""
    return {
        "client": signing(provider, "client"),
        "client2": signing(provider, "client2", "?dummy1=lorem&dummy2=ipsum"),
        "resource": {"resourceUrl": f"{provider.issuer}/userinfo"},
    }


def signing(provider: Provider, name: str, query: str = "") -> dict[str, Any]:
    """Register an application with a key of its own, and return both."""
    key = RSAKey.generate_key(2048, {"kid": name, "use": "sig", "alg": "PS256"}, private=True)
    public = provider.folder / f"{name}.json"
    public.write_text(json.dumps({"keys": [key.as_dict(private=False)]}))
    created = provider.command(
        *("client", "create", f"Conformance suite: {name}", "--json"),
        *("--redirect-uri", f"{provider.redirects}/callback{query}"),
        *("--auth-method", "private_key_jwt", "--auth-signing-alg", "PS256", "--jwks", str(public)),
        *("--require-pushed", "--dpop", "--id-token-alg", "PS256"),
    )
    client_id = json.loads(created)["client_id"]
    return {
        "client_id": client_id,
        "scope": "openid profile email offline_access",
        "jwks": {"keys": [key.as_dict(private=True)]},
    }


@dataclass(frozen=True)
class Plan:
    """One plan.

    :param settings: of the server, without ``IDPROTECT_``.
    :param clients: makes the part of the configuration that is about applications.
    """

    title: str
    name: str
    variant: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    clients: Callable[[Provider], dict[str, Any]] = static

    def configuration(self, provider: Provider) -> dict[str, Any]:
        return {
            "alias": ALIAS,
            "description": self.title,
            "server": {"discoveryUrl": f"{provider.issuer}/.well-known/openid-configuration"},
            **self.clients(provider),
            "browser": browser.scripts(provider.issuer, provider.password),
            "override": browser.overrides(provider.issuer, provider.password),
        }


PLANS = (
    Plan("Basic", "oidcc-basic-certification-test-plan", STATIC),
    Plan("Config", "oidcc-config-certification-test-plan"),
    Plan("Form Post", "oidcc-formpost-basic-certification-test-plan", STATIC),
    Plan(
        "RP-initiated logout",
        "oidcc-rp-initiated-logout-certification-test-plan",
        {"client_registration": "static_client", "response_type": "code"},
    ),
    Plan(
        "Back-channel logout",
        "oidcc-backchannel-rp-initiated-logout-certification-test-plan",
        {"client_registration": "static_client", "response_type": "code"},
        CALLED,
    ),
    Plan(
        "Dynamic",
        "oidcc-dynamic-certification-test-plan",
        {"response_type": "code"},
        {**CALLED, "DYNAMIC_REGISTRATION": "true"},
        dynamic,
    ),
    Plan(
        "FAPI 2.0 Security Profile",
        "fapi2-security-profile-final-test-plan",
        {
            "client_auth_type": "private_key_jwt",
            "sender_constrain": "dpop",
            "openid": "openid_connect",
            "fapi_profile": "plain_fapi",
            "authorization_request_type": "simple",
        },
        {"SIGNING_ALGORITHM": "PS256"},
        fapi,
    ),
)
