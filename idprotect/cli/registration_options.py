"""The options of commands that make up a registration, and what was given of them."""

import json
from collections.abc import Callable
from typing import Any, TextIO

import click

from idprotect import registration
from idprotect.cli.base import Result
from idprotect.errors import InteractionError
from idprotect.keys import ALGORITHMS

#: The metadata of a registration; what is not given has its default, or stays as it is.
METADATA = (
    click.option("--redirect-uri", "redirect_uris", multiple=True, help="Where users come back to."),
    click.option(
        "--post-logout-redirect-uri",
        "post_logout_redirect_uris",
        multiple=True,
        help="Where users may come back to after signing out.",
    ),
    click.option("--backchannel-logout-uri", help="Where it is told that a sign-in ended; empty: it is not."),
    click.option(
        "--grant",
        "grant_types",
        type=click.Choice(registration.GRANTS),
        multiple=True,
        help="Those with users by default; client_credentials: it acts for itself, without a user.",
    ),
    click.option(
        "--scope", "scopes", multiple=True, help="All that it may ask for; by default all about users."
    ),
    click.option(
        "--auth-method",
        "token_endpoint_auth_method",
        type=click.Choice(registration.AUTH_METHODS),
        help="How it proves who it is; client_secret_basic by default.",
    ),
    click.option(
        "--auth-signing-alg",
        "token_endpoint_auth_signing_alg",
        type=click.Choice(ALGORITHMS),
        help="The only one that private_key_jwt may be signed with.",
    ),
    click.option("--jwks", type=click.File(), help="File with its public keys (RFC 7517)."),
    click.option("--jwks-uri", help="Where its public keys are, instead."),
    click.option(
        "--public",
        "is_public",
        is_flag=True,
        help="It can keep no secret, as single-page and native ones: --auth-method none.",
    ),
    click.option(
        "--native",
        "application_type",
        flag_value="native",
        help="Loopback ports may vary; schemes of its own are allowed.",
    ),
    click.option(
        "--pkce",
        type=click.Choice(registration.PKCE),
        help="What a confidential client may do without: PKCE where it sends a nonce, or altogether.",
    ),
    click.option(
        "--access-token-audience",
        help="Access tokens are JWTs (RFC 9068) for that resource server; empty: by reference.",
    ),
    click.option(
        "--resource",
        "resources",
        multiple=True,
        help="A resource server that it may name instead of that one (RFC 8707).",
    ),
    click.option(
        "--resource-identifier",
        help="What it is named by as a resource server itself; it may exchange tokens for that (RFC 8693).",
    ),
    click.option("--first-party/--third-party", default=None, help="Whether consent is not asked."),
    click.option(
        "--id-token-at-refresh/--no-id-token-at-refresh",
        default=None,
        help="Whether it gets a new ID token with each refresh.",
    ),
    click.option(
        "--release-risk/--no-release-risk",
        default=None,
        help="Whether its tokens tell how risky their user is.",
    ),
    click.option(
        "--require-pushed/--no-require-pushed",
        "require_pushed_authorization_requests",
        default=None,
        help="Whether it pushes all its authorization requests (RFC 9126).",
    ),
    click.option(
        "--require-signed/--no-require-signed",
        "require_signed_request_object",
        default=None,
        help="Whether it signs all its authorization requests (RFC 9101).",
    ),
    click.option(
        "--request-object-alg",
        "request_object_signing_alg",
        type=click.Choice(ALGORITHMS),
        help="The only one that its request objects may be signed with.",
    ),
    click.option(
        "--pairwise",
        "subject_type",
        flag_value="pairwise",
        help="It knows users by subjects that no application of another sector can compare.",
    ),
    click.option(
        "--sector-identifier-uri", help="Where the sector lists its redirect URIs, if they have more hosts."
    ),
    click.option(
        "--id-token-alg",
        "id_token_signed_response_alg",
        type=click.Choice(ALGORITHMS),
        help="How its ID tokens are signed; otherwise as the server is set.",
    ),
    click.option(
        "--dpop/--no-dpop",
        "dpop_bound_access_tokens",
        default=None,
        help="Whether it gets tokens only for a key that it proves to hold (RFC 9449).",
    ),
    click.option(
        "--userinfo-signed",
        "userinfo_signed_response_alg",
        type=click.Choice(ALGORITHMS),
        help="Userinfo answers it with a JWT signed so.",
    ),
)


def metadata(function: Callable[..., Result]) -> Callable[..., Result]:
    """Add the options that make up a registration."""
    for option in reversed(METADATA):
        function = option(function)
    return function


def given(scopes: tuple[str, ...], is_public: bool, jwks: TextIO | None, **options: Any) -> dict[str, Any]:
    """Return the members of a registration that were given; an empty text takes one away."""
    values = {field: value or None for field, value in options.items() if value not in (None, ())}
    values |= {field: False for field, value in options.items() if value is False}
    if jwks is not None:
        values["jwks"] = _json(jwks)
    if scopes:
        values["scope"] = " ".join(scopes)
    if is_public:
        values["token_endpoint_auth_method"] = "none"  # noqa: S105 (no secret)
    return values


def _json(file: TextIO) -> Any:
    try:
        return json.load(file)
    except ValueError:
        raise InteractionError(f"{file.name} is not JSON") from None
