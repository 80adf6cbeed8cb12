"""What the OpenID Foundation's conformance plans say, and which test proves what they check: ``docs/conformance.md``.

The modules are those of the plans in openid-certification/conformance-suite, the results those that ``conformance.run``
left. Run as a program, this writes the document.
"""

import importlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
DOCUMENT = PROJECT / "docs" / "conformance.md"
RESULTS = PROJECT / "conformance" / "results.json"
INTRODUCTION = """# Conformance

What the OpenID Foundation's conformance suite says of idprotect, and which of our own tests prove what its modules check. Made from `conformance/results.json` and
`tests/oidc/conformance.py`, which are where to change it; a test holds the names to the tests that there are, and a word to each module that did not simply pass.

A server for the suite is set up by

    flask --app wsgi idprotect init
    echo "$PASSWORD" | flask --app wsgi idprotect conformance-profile --password-stdin https://SUITE/test/a/ALIAS

which registers three applications, as the suite's static clients, and a person called `conformance` with every standard claim. PKCE is required of every
other application; these are registered without, because the Basic plan sends none. The suite signs one person in about forty times from one address: no limit counts
sign-ins that succeed. With `IDPROTECT_DYNAMIC_REGISTRATION` the command also prints an initial access token for the Dynamic plan, good for 500 clients without PKCE.
"""

BASIC = {
    "OIDCCServerTest": [
        "test_tokens.test_a_code_becomes_tokens",
        "test_tokens.test_an_id_token_says_who_where_when_and_how",
    ],
    "OIDCCResponseTypeMissing": [
        "test_authorize.test_an_error_reaches_the_application_with_state_and_issuer"
    ],
    "OIDCCIdTokenSignature": ["test_metadata.test_keys_rotate_with_an_overlap"],
    "OIDCCIdTokenUnsigned": [],
    "OIDCCUserInfoGet": ["test_tokens.test_userinfo_tells_what_the_scope_allows"],
    "OIDCCUserInfoPostHeader": ["test_tokens.test_userinfo_tells_what_the_scope_allows"],
    "OIDCCUserInfoPostBody": ["test_tokens.test_an_access_token_in_the_url_is_not_read"],
    "OIDCCEnsureRequestWithoutNonceSucceedsForCodeFlow": [
        "test_wishes.test_pkce_may_be_left_out_where_that_is_registered"
    ],
    "OIDCCScopeProfile": ["test_wishes.test_each_scope_has_its_claims"],
    "OIDCCScopeEmail": [
        "test_wishes.test_each_scope_has_its_claims",
        "test_tokens.test_an_id_token_says_who_where_when_and_how",
    ],
    "OIDCCScopeAddress": ["test_wishes.test_each_scope_has_its_claims"],
    "OIDCCScopePhone": ["test_wishes.test_each_scope_has_its_claims"],
    "OIDCCScopeAll": ["test_wishes.test_each_scope_has_its_claims"],
    "OIDCCAlternateHappyFlow": [
        "test_wishes.test_each_scope_has_its_claims",
        "test_tokens.test_an_id_token_says_who_where_when_and_how",
    ],
    "OIDCCDisplayPage": ["test_wishes.test_what_changes_nothing_is_accepted"],
    "OIDCCDisplayPopup": ["test_wishes.test_what_changes_nothing_is_accepted"],
    "OIDCCPromptLogin": ["test_authorize.test_prompt_login_asks_for_the_password_again"],
    "OIDCCPromptNoneNotLoggedIn": [
        "test_authorize.test_an_error_reaches_the_application_with_state_and_issuer"
    ],
    "OIDCCPromptNoneLoggedIn": ["test_authorize.test_prompt_none_with_a_session_gives_a_code"],
    "OIDCCMaxAge1": ["test_authorize.test_max_age_is_measured_once"],
    "OIDCCMaxAge10000": ["test_wishes.test_a_session_that_is_young_enough_is_used"],
    "OIDCCEnsureRequestWithUnknownParameterSucceeds": ["test_wishes.test_what_changes_nothing_is_accepted"],
    "OIDCCIdTokenHint": ["test_wishes.test_a_hint_of_the_person_who_is_signed_in"],
    "OIDCCLoginHint": ["test_authorize.test_hints_choose_nobody_and_satisfy_nothing"],
    "OIDCCUiLocales": ["test_wishes.test_what_changes_nothing_is_accepted"],
    "OIDCCClaimsLocales": ["test_wishes.test_what_changes_nothing_is_accepted"],
    "OIDCCEnsureRequestWithAcrValuesSucceeds": ["test_wishes.test_a_voluntary_wish_that_cannot_be_met"],
    "OIDCCAuthCodeReuse": ["test_tokens.test_a_code_that_comes_twice_revokes_what_it_gave"],
    "OIDCCAuthCodeReuseAfter30Seconds": [
        "test_tokens.test_a_code_that_comes_twice_after_a_minute_revokes_too"
    ],
    "OIDCCEnsureRegisteredRedirectUri": [
        "test_authorize.test_nothing_is_redirected_to_a_uri_that_is_not_registered"
    ],
    "OIDCCEnsurePostRequestSucceeds": [
        "test_authorize.test_a_post_from_another_site_neither_needs_nor_touches_the_session"
    ],
    "OIDCCServerTestClientSecretPost": [
        "test_client_authentication.test_a_client_authenticates_exactly_as_registered"
    ],
    "OIDCCRequestUriUnsignedSupportedCorrectlyOrRejectedAsUnsupported": [
        "test_request_objects.test_no_object_is_fetched",
    ],
    "OIDCCUnsignedRequestObjectSupportedCorrectlyOrRejectedAsUnsupported": [
        "test_request_objects.test_an_object_that_is_not_its_client_s_is_refused",
    ],
    "OIDCCClaimsEssential": ["test_wishes.test_claims_can_be_wished_for_one_by_one"],
    "OIDCCEnsureRequestObjectWithRedirectUri": [
        "test_request_objects.test_what_stands_beside_an_object_does_not_count",
    ],
    "OIDCCRefreshToken": [
        "test_tokens.test_a_refresh_token_is_used_once_and_replaced",
        "test_tokens.test_an_id_token_by_refresh_tells_the_same_story",
        "test_tokens.test_a_refresh_token_belongs_to_its_client",
    ],
    "OIDCCEnsureRequestWithValidPkceSucceeds": ["test_tokens.test_a_code_becomes_tokens"],
}
PLANS = {
    "Basic (oidcc-basic-certification-test-plan)": BASIC,
    "Config (oidcc-config-certification-test-plan)": {
        "OIDCCDiscoveryEndpointVerification": [
            "test_metadata.test_discovery_is_complete_and_valid",
            "test_metadata.test_discovery_is_true",
            "test_metadata.test_keys_are_public_and_strong",
        ],
    },
    "Form Post (oidcc-formpost-basic-certification-test-plan)": {
        "the modules of Basic, by form_post": [
            "test_wishes.test_an_answer_can_be_posted",
            "test_wishes.test_a_form_is_posted_after_every_page",
            "test_wishes.test_errors_are_posted_too",
            "test_wishes.test_nothing_is_posted_to_a_uri_that_is_not_registered",
        ],
    },
    "RP-initiated logout (oidcc-rp-initiated-logout-certification-test-plan)": {
        "OIDCCRpInitiatedLogoutDiscoveryEndpointVerification": ["test_metadata.test_discovery_is_true"],
        "OIDCCRpInitiatedLogout": ["test_logout.test_own_hint_signs_out_at_once"],
        "OIDCCRpInitiatedLogoutBadLogoutRedirectUri": ["test_logout.test_unregistered_uri_is_refused"],
        "OIDCCRpInitiatedLogoutModifiedIdTokenHint": ["test_logout.test_hints_that_are_not_ours"],
        "OIDCCRpInitiatedLogoutNoIdTokenHint": ["test_logout.test_without_hint_the_person_is_asked"],
        "OIDCCRpInitiatedLogoutNoParams": ["test_logout.test_without_hint_the_person_is_asked"],
        "OIDCCRpInitiatedLogoutNoPostLogoutRedirectUri": [
            "test_logout.test_hint_of_a_sign_in_that_was_renewed_in_this_browser"
        ],
        "OIDCCRpInitiatedLogoutNoState": ["test_logout.test_no_state_no_query"],
        "OIDCCRpInitiatedLogoutOnlyState": ["test_logout.test_without_hint_the_person_is_asked"],
        "OIDCCRpInitiatedLogoutQueryAddedToLogoutRedirectUri": [
            "test_logout.test_unregistered_uri_is_refused"
        ],
        "OIDCCRpInitiatedLogoutBadIdTokenHint": ["test_logout.test_hints_that_are_not_ours"],
    },
    "Back-channel logout (oidcc-backchannel-rp-initiated-logout-certification-test-plan)": {
        "OIDCCBackchannelLogoutDiscoveryEndpointVerification": ["test_metadata.test_discovery_is_true"],
        "OIDCCBackChannelRpInitiatedLogout": [
            "test_logout.test_an_application_is_told_that_its_user_signed_out",
            "test_logout.test_the_server_tells_by_itself",
        ],
    },
    "Dynamic (oidcc-dynamic-certification-test-plan, response type code)": {
        "OIDCCServerTest": [
            "test_dynamic_registration.test_an_application_registers_itself_and_signs_people_in",
            "test_dynamic_registration.test_each_way_of_authentication",
        ],
        "OIDCCEnsureClientAssertionWithIssAudSucceeds": [
            "test_private_key_jwt.test_an_assertion_is_good_at_every_endpoint"
        ],
        "OIDCCIdTokenRS256": ["test_subjects.test_each_application_has_its_signature"],
        "OIDCCUserInfoRS256": ["test_subjects.test_each_application_has_its_signature"],
        "OIDCCRedirectUriQueryOK": ["test_redirect_uris.test_a_good_redirect_uri_can_be_registered_and_used"],
        "OIDCCRedirectUriQueryMismatch": [
            "test_authorize.test_nothing_is_redirected_to_a_uri_that_is_not_registered"
        ],
        "OIDCCRedirectUriQueryAdded": [
            "test_authorize.test_nothing_is_redirected_to_a_uri_that_is_not_registered"
        ],
        "OIDCCRedirectUriRegFrag": ["test_dynamic_registration.test_what_cannot_be_accepted_is_told"],
        "OIDCCRegistrationJwksUri": [
            "test_dynamic_registration.test_the_keys_of_a_registered_application_are_fetched"
        ],
        "OIDCCRegistrationSectorUri": ["test_subjects.test_a_sector_is_what_lists_its_redirect_uris"],
        "OIDCCRegistrationSectorBad": [
            "test_subjects.test_a_sector_that_does_not_know_the_application_is_refused"
        ],
        "OIDCCRegistrationLogoUri": [],
        "OIDCCRegistrationPolicyUri": [
            "test_authorize.test_consent_links_what_the_application_says_of_itself"
        ],
        "OIDCCRegistrationTosUri": ["test_authorize.test_consent_links_what_the_application_says_of_itself"],
        "OIDCCDiscoveryEndpointVerification": [
            "test_metadata.test_discovery_is_complete_and_valid",
            "test_metadata.test_discovery_is_true",
        ],
        "OIDCCEnsureRedirectUriInAuthorizationRequest": [
            "test_redirect_uris.test_a_redirect_uri_is_demanded_even_where_only_one_is_registered"
        ],
        "OIDCCRefreshTokenRPKeyRotation": [
            "test_private_key_jwt.test_a_new_key_is_fetched_when_it_comes_but_once_a_minute"
        ],
        "OIDCCServerRotateKeys": ["test_metadata.test_keys_rotate_with_an_overlap"],
        "OIDCCRequestUriUnsigned": [],
        "OIDCCRequestUriSignedRS256": [],
    },
    "FAPI 2.0 (fapi2-security-profile-final-test-plan; what its modules made us mend)": {
        "FAPI2SPFinalEnsureSignedClientAssertionWithRS256Fails": [
            "test_private_key_jwt.test_fapi_has_no_rs256"
        ],
        "FAPI2SPFinalPAREndpointAsArrayAudienceFails": [
            "test_private_key_jwt.test_fapi_knows_the_issuer_alone"
        ],
        "FAPI2SPFinalPAREndpointAsAudienceFails": ["test_private_key_jwt.test_fapi_knows_the_issuer_alone"],
        "FAPI2SPFinalPARTokenEndpointAsAudienceFails": [
            "test_private_key_jwt.test_fapi_knows_the_issuer_alone"
        ],
        "FAPI2SPFinalPAREnsurePKCECodeVerifierRequired": [
            "test_tokens.test_a_code_is_bound_to_challenge_and_redirect_uri"
        ],
        "FAPI2SPFinalRefreshToken": ["test_dpop.test_fapi_keeps_a_refresh_token"],
    },
    "Beyond the plans": {
        "RFC 9101 (JAR)": ["test_request_objects.test_a_signed_request_meets_every_interruption"],
        "RFC 9126 (PAR)": ["test_pushed_requests.test_a_pushed_request_meets_every_interruption"],
        "RFC 9068 (JWT access tokens)": [
            "test_jwt_access_tokens.test_a_resource_server_reads_who_how_and_for_what"
        ],
        "RFC 8693 (token exchange)": [
            "test_token_exchange.test_an_api_gets_a_token_for_the_next_one",
            "test_token_exchange.test_a_token_ends_with_the_one_behind_it",
        ],
        "RFC 8707 (resource indicators)": [
            "test_resources.test_a_request_names_whom_the_token_is_for",
            "test_resources.test_what_is_not_registered_is_refused_everywhere",
        ],
        "RFC 8628 (devices)": [
            "test_device.test_a_device_gets_tokens_of_whoever_allows_it",
            "test_device.test_every_interruption_stands_before_the_answer",
        ],
        "RFC 9449 (DPoP)": ["test_dpop.test_a_proof_that_is_none_gives_nothing_and_costs_nothing"],
        "RFC 7592": ["test_dynamic_registration.test_an_application_replaces_its_registration"],
        "every entry meets every interruption": ["test_entries.test_every_entry_meets_every_interruption"],
    },
}
_NOT_FETCHED = "refused: no request object is fetched; `request_uri_not_supported`"
#: Modules without a test, and why.
WITHOUT = {
    "OIDCCIdTokenUnsigned": "skipped: no client can be registered for unsigned ID tokens",
    "OIDCCRegistrationLogoUri": "not shown: `logo_uri` is ignored, so that no page loads a picture from elsewhere",
    "OIDCCRequestUriUnsigned": _NOT_FETCHED,
    "OIDCCRequestUriSignedRS256": _NOT_FETCHED,
}

OUTCOMES = ("PASSED", "REVIEW", "WARNING", "SKIPPED", "FAILED")
_SEEN = "a page is kept for whoever reviews it; it says what it has to"
_LINKED = f"{_SEEN}: the consent page has the link"
_NO_UNSIGNED = "nothing unsigned is accepted, so there is nothing to try"
_NO_REFERENCES = "by design: request objects by reference are accepted only when pushed (SSRF); `request_uri_parameter_supported` is false"
#: By how modules of the suite ended that did not simply pass: why, for names that begin so.
REMARKS = {
    "REVIEW": {
        "oidcc-registration-logo-uri": "would not pass the review: `logo_uri` is ignored, so that no page loads a picture from elsewhere",
        "oidcc-registration-policy-uri": _LINKED,
        "oidcc-registration-tos-uri": _LINKED,
        "fapi2-security-profile-final-par-ensure-reused-request-uri": "recommended alone, and not so here: a `request_uri` is good for one visit, and the page says so at the second",
        "": _SEEN,
    },
    "WARNING": {
        "fapi2-security-profile-final-test-claims-parameter-identity-claims": "the suite does not know `sid` (OIDC Back-Channel Logout section 2.1)",
    },
    "SKIPPED": {
        "oidcc-idtoken-unsigned": _NO_UNSIGNED,
        "oidcc-unsigned-request-object": _NO_UNSIGNED,
        "oidcc-ensure-request-object-with-redirect-uri": _NO_UNSIGNED,
    },
    "FAILED": {
        "oidcc-discovery-endpoint-verification": "by design: the Dynamic profile wants the implicit grant, which RFC 9700 section 2.1.2 advises against",
        "oidcc-request-uri": _NO_REFERENCES,
    },
}


def document() -> str:
    """Return the whole document."""
    tests = "".join(_plan(name, modules) for name, modules in PLANS.items())
    return f"{INTRODUCTION}\n{_results()}{tests}"


def _results() -> str:
    results = json.loads(RESULTS.read_text())
    counts = [_counts(plan) for plan in results["plans"]]
    remarks = [
        f"| {plan['title']} | `{module['name']}` | {module['result']} | {remark(module)} |"
        for plan in results["plans"]
        for module in plan["modules"]
        if module["result"] != "PASSED"
    ]
    about = (
        f"Run on {results['date']} with version {results['suite']} of the suite, by [conformance/README.md](../conformance/README.md): on one machine, by ourselves, and no certificate. "
        "REVIEW is a module that held and kept a page for somebody to look at; nobody but us has yet."
    )
    heads = [
        "| plan | modules | passed | review | warning | skipped | failed |",
        "|---|---|---|---|---|---|---|",
    ]
    others = ["| plan | module | | |", "|---|---|---|---|"]
    return "\n".join(["## Results of the suite", "", about, "", *heads, *counts, "", *others, *remarks, ""])


def _counts(plan: dict[str, Any]) -> str:
    ends = Counter(module["result"] for module in plan["modules"])
    return (
        f"| {plan['title']} (`{plan['name']}`) | {ends.total()} | "
        + " | ".join(str(ends[outcome]) for outcome in OUTCOMES)
        + " |"
    )


def remark(module: dict[str, Any]) -> str:
    """Return why a module of the suite did not simply pass.

    :raises LookupError: nobody has said why it ended so.
    """
    known = REMARKS.get(module["result"], {}).items()
    fitting = [why for name, why in known if module["name"].startswith(name)]
    if not fitting:
        raise LookupError(f"{module['name']} ended {module['result']}, and nothing says why")
    return fitting[0]


def _plan(name: str, modules: dict[str, list[str]]) -> str:
    rows = [f"| {module} | {_proof(module, tests)} |" for module, tests in modules.items()]
    return "\n".join([f"\n## {name}\n", "| module | proved by |", "|---|---|", *rows, ""])


def _proof(module: str, tests: list[str]) -> str:
    return "<br>".join(f"`{test}`" for test in tests) or WITHOUT[module]


def missing() -> list[str]:
    """Return the tests that are named and are not there."""
    named = {test for modules in PLANS.values() for tests in modules.values() for test in tests}
    return sorted(test for test in named if not _exists(*test.split(".")))


def _exists(module: str, test: str) -> bool:
    return callable(getattr(importlib.import_module(f"tests.oidc.{module}"), test, None))


if __name__ == "__main__":
    DOCUMENT.write_text(document())
