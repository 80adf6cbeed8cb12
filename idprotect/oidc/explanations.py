"""What an error of the protocol means to those who write the application: what failed, and how to mend it."""

from dataclasses import dataclass

_TOKEN = "RFC 6749 section 5.2"  # noqa: S105 (a section)
_AUTHORIZE = "RFC 6749 section 4.1.2.1"


@dataclass(frozen=True, slots=True)
class Explanation:
    """One error in words.

    :param error: the code of the specification.
    :param words: part of the description that goes with it; empty fits any.
    :param specification: the section that the error comes from.
    """

    error: str
    words: str
    specification: str
    failed: str
    mend: str


#: The first that fits is the one.
_KNOWN = (
    Explanation(
        "invalid_request",
        "redirect",
        "RFC 9700 section 2.1",
        "The redirect URI is not registered for this application, or none was sent. It is compared byte by byte.",
        "Register exactly what the application sends, to the last slash; or send what is registered.",
    ),
    Explanation(
        "invalid_request",
        "code_challenge",
        "RFC 7636 section 4.4.1",
        "The request came without PKCE, or not with S256.",
        "Switch PKCE with S256 on in the library, or register that this application may do without.",
    ),
    Explanation(
        "invalid_request",
        "has to be pushed",
        "RFC 9126 section 5",
        "This application is registered to push its requests, and this one came by the browser.",
        "Send the request to the endpoint for pushed requests first.",
    ),
    Explanation(
        "invalid_request",
        "request_uri",
        "RFC 9126 section 4",
        "The pushed request is used up, too old, or of another application.",
        "Push a new request each time, and send the browser on at once.",
    ),
    Explanation(
        "invalid_request",
        "x-www-form-urlencoded",
        "RFC 6749 section 4.1.3",
        "The body was no form; JSON is not understood here.",
        "Send the parameters as application/x-www-form-urlencoded.",
    ),
    Explanation(
        "invalid_request",
        "more than once",
        "RFC 6749 section 3.1",
        "A parameter came twice.",
        "Look for a parameter that both the library and the application add.",
    ),
    Explanation(
        "invalid_request",
        "More than one way",
        "RFC 6749 section 2.3",
        "The application authenticated in two ways at once.",
        "Send the secret in the header or in the body, as it is registered; never in both.",
    ),
    Explanation(
        "invalid_request",
        "code_verifier",
        "RFC 7636 section 4.5",
        "The code was requested with PKCE, and what was sent is no verifier; or it was requested without.",
        "Keep the verifier in the browser's session from the request to the callback.",
    ),
    Explanation(
        "invalid_request",
        "subject_token",
        "RFC 8693 section 2.2.2",
        "The token to be exchanged is used up, is not an access token, or was not sent to this application.",
        "Register the application by the name that such tokens are issued for, and hand them in before they expire.",
    ),
    Explanation(
        "invalid_request",
        "actor_token",
        "RFC 8693 section 2.2.2",
        "The token of whoever acts is used up, is not an access token, or is not of this application.",
        "Send one of the application's own, by client credentials, or leave it out.",
    ),
    Explanation(
        "invalid_request",
        "sign-in behind",
        "RFC 8693 section 2.2.2",
        "The sign-in behind the token has ended, or its user has to do something first; the suberror says what.",
        "Nothing is wrong with the application: whoever called it sends the person to sign in again.",
    ),
    Explanation(
        "invalid_request",
        "",
        _AUTHORIZE,
        "The request was not valid, as its description says.",
        "Compare it with the discovery document and the registration.",
    ),
    Explanation(
        "invalid_client",
        "metadata document is not valid",
        "draft-ietf-oauth-client-id-metadata-document, Client Metadata Document",
        "The document at the URL that is the client id does not say what it has to, as the description tells.",
        "Compare its client_id with its URL, letter by letter; it has no secret, and redirect URIs as any application.",
    ),
    Explanation(
        "invalid_client",
        "documents of this host",
        "draft-ietf-oauth-client-id-metadata-document, Client ID Domain Trust",
        "The client id is the URL of a document on a host that this server does not take any from.",
        "Ask whoever runs it to name the host in IDPROTECT_CLIENT_DOCUMENT_HOSTS, or to register the application.",
    ),
    Explanation(
        "invalid_client",
        "metadata document",
        "draft-ietf-oauth-client-id-metadata-document, Metadata Discovery Errors",
        "The document at the URL that is the client id could not be fetched, or was asked for too often.",
        "Answer within seconds by 200 and application/json, 5 KB at most, at a public https address, not redirected.",
    ),
    Explanation(
        "invalid_client",
        "",
        _TOKEN,
        "The application did not prove who it is: a wrong id or secret, another way than is registered, or disabled.",
        "Compare the way of authenticating with the registration; look for a secret that was rotated or cut off.",
    ),
    Explanation(
        "invalid_grant",
        "challenge",
        "RFC 7636 section 4.6",
        "The verifier is missing, or does not belong to the challenge of the request.",
        "One sign-in, one verifier: two tabs that share one place in the session overwrite it.",
    ),
    Explanation(
        "invalid_grant",
        "redirect_uri",
        "RFC 6749 section 4.1.3",
        "The redirect URI is another than that of the authorization request.",
        "Send the same redirect URI both times.",
    ),
    Explanation(
        "invalid_grant",
        "ended",
        _TOKEN,
        "The sign-in behind it has ended: somebody signed out, changed the password, or an administrator ended it.",
        "Nothing is wrong with the application: it sends the person to sign in again.",
    ),
    Explanation(
        "invalid_grant",
        "",
        _TOKEN,
        "The code or refresh token is used up, too old, of another application, or refused for the person's risk.",
        "Use a code once and at once; keep the refresh token that each refresh answers with; else sign in again.",
    ),
    Explanation(
        "invalid_scope",
        "",
        _AUTHORIZE,
        "A scope is asked for that this application is not registered for, or none is.",
        "Ask for fewer scopes, or register them.",
    ),
    Explanation(
        "invalid_target",
        "",
        "RFC 8707 section 2",
        "An access token is asked for a resource server that this application, or the grant, is not for.",
        "Name one of the registered resources, and at the token endpoint the one of the authorization request.",
    ),
    Explanation(
        "unauthorized_client",
        "",
        _AUTHORIZE,
        "The application is not registered for this grant or response type.",
        "Use the code flow, or register the grant.",
    ),
    Explanation(
        "unsupported_response_type",
        "",
        _AUTHORIZE,
        "Another response type than code: tokens are never given out through the browser.",
        "Set response_type to code, with PKCE.",
    ),
    Explanation(
        "unsupported_grant_type",
        "",
        _TOKEN,
        "There is no such grant here; that of passwords is not spoken.",
        "Use one that the discovery document lists.",
    ),
    Explanation(
        "invalid_request_object",
        "",
        "RFC 9101 section 6",
        "The signed request object was not accepted, as its description says.",
        "Compare its signature, keys, audience and times with the registration; or push plain parameters (RFC 9126).",
    ),
    Explanation(
        "invalid_dpop_proof",
        "",
        "RFC 9449 section 4.3",
        "The proof of the key was missing, used before, too old, or for another method, address or token.",
        "Make a new proof for each request, for exactly this endpoint, and set the clock.",
    ),
    Explanation(
        "request_uri_not_supported",
        "",
        "OIDC Core section 6.2",
        "Requests are not fetched from elsewhere.",
        "Push the request instead (RFC 9126).",
    ),
)

#: What an application or its configuration does wrong. Others, like ``login_required``, are ordinary answers.
FAULTS = frozenset(known.error for known in _KNOWN)


def explain(error: str, description: str) -> Explanation:
    """Return what an error of the application means.

    :param error: one of ``FAULTS``.
    :param description: the words that went with it.
    """
    fitting = (known for known in _KNOWN if known.error == error)
    return next(known for known in fitting if known.words.lower() in description.lower())
