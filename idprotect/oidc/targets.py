"""Which resource server an access token is for: the one that a request names (RFC 8707), or the one registered."""

from authlib.oauth2 import OAuth2Error

from idprotect.models import ClientRules
from idprotect.runtime import settings


class InvalidTarget(OAuth2Error):  # type: ignore[misc]
    """The client cannot have tokens for what it names (RFC 8707 section 2)."""

    error = "invalid_target"


def check(resource: str | None, client: ClientRules) -> str | None:
    """Return the resource server that a request names; None when it names none.

    :raises InvalidTarget: for one that the client is not registered for.
    """
    if resource is None or client.has_target(resource):
        return resource
    if not client.by_document or resource not in settings().client_document_resources:
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
