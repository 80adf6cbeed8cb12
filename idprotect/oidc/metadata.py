"""What the server says of itself (OIDC Discovery section 3, RFC 8414 section 2): one document, and a true one."""

import json
from functools import lru_cache
from typing import Any

from idprotect import standard_claims
from idprotect.consents import SCOPES
from idprotect.contexts import LADDER
from idprotect.keys import ALGORITHMS
from idprotect.oidc import responses
from idprotect.registration import AUTH_METHODS, CONFIDENTIAL_METHODS, GRANTS, SUBJECT_TYPES
from idprotect.runtime import runtime, settings

#: What ID tokens say about the sign-in.
ID_TOKEN_CLAIMS = {
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "acr",
    "amr",
    "nonce",
    "at_hash",
    "sid",
    "risk_level",
}


def metadata() -> dict[str, Any]:
    """Return the provider's metadata (OIDC Discovery section 3, RFC 8414 section 2)."""
    described: dict[str, Any] = json.loads(document())
    return described


def document() -> str:
    """Return the same as JSON, which is written once for all that it depends on."""
    configured = settings()
    switches = configured.dynamic_registration, configured.client_id_metadata_documents
    return _document(configured.issuer, runtime().keys.algorithm, *switches)


@lru_cache(maxsize=16)
def _document(issuer: str, usual_algorithm: str, dynamic_registration: bool, by_document: bool) -> str:
    algorithms = list(dict.fromkeys((usual_algorithm, *ALGORITHMS)))
    switched: dict[str, Any] = {"registration_endpoint": f"{issuer}/register"} if dynamic_registration else {}
    if by_document:
        switched["client_id_metadata_document_supported"] = True
    described = {
        **switched,
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "introspection_endpoint": f"{issuer}/introspect",
        "revocation_endpoint": f"{issuer}/revoke",
        "pushed_authorization_request_endpoint": f"{issuer}/par",
        "require_pushed_authorization_requests": False,
        "device_authorization_endpoint": f"{issuer}/device-authorization",
        "end_session_endpoint": f"{issuer}/end-session",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": list(responses.MODES),
        "grant_types_supported": list(GRANTS),
        "subject_types_supported": list(SUBJECT_TYPES),
        "id_token_signing_alg_values_supported": algorithms,
        "userinfo_signing_alg_values_supported": algorithms,
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": list(CONFIDENTIAL_METHODS),
        "introspection_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "acr_values_supported": list(LADDER),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "claims_supported": sorted(standard_claims.ALL | ID_TOKEN_CLAIMS),
        "claim_types_supported": ["normal"],
        "authorization_response_iss_parameter_supported": True,
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(ALGORITHMS),
        "require_signed_request_object": False,
        "request_uri_parameter_supported": False,
        "claims_parameter_supported": True,
    }
    return json.dumps(described)
