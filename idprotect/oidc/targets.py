"""Which resource server an access token is for: the one that a request names (RFC 8707), or the one registered."""

from authlib.oauth2 import OAuth2Error

from idprotect.models import ClientRules


class InvalidTarget(OAuth2Error):  # type: ignore[misc]
    """The client cannot have tokens for what it names (RFC 8707 section 2)."""

    error = "invalid_target"


def check(resource: str | None, client: ClientRules) -> str | None:
    """Return the resource server that a request names; None when it names none.

    :raises InvalidTarget: for one that the client is not registered for.
    """
    if resource is not None and not client.has_target(resource):
        raise InvalidTarget("The client is not registered for this resource.")
    return resource


def audience(client: ClientRules, granted: str | None, wanted: str | None) -> str:
    """Return whom a token is for.

    :param granted: what its grant is limited to; None: to whatever its client is registered for.
    :raises InvalidTarget: when something else is wanted than what was granted.
    """
    if granted is not None and wanted not in (None, granted):
        raise InvalidTarget("The grant is for another resource.")
    return str(wanted or granted or client.access_token_audience or client.id)
