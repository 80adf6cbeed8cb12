"""What to paste into an application: small programs with the values of its registration filled in."""

import json
import shlex
from collections.abc import Mapping
from urllib.parse import quote_plus, urlencode, urlsplit

from idprotect import pages
from idprotect.models import Client
from idprotect.oidc.metadata import metadata
from idprotect.registration import CODE_GRANTS
from idprotect.runtime import runtime, settings

#: Label → template, for applications of people and for services.
FOR_PEOPLE: Mapping[str, str] = {
    "Flask with Authlib": "flask",
    "Django with mozilla-django-oidc": "django",
    "Node with openid-client": "node",
    "curl": "curl",
}
FOR_SERVICES: Mapping[str, str] = {
    "Python with Authlib": "service_python",
    "Node with openid-client": "service_node",
    "curl": "service_curl",
}
#: More would ask people for more than a first try needs.
_USUAL = ("openid", "profile", "email")


def snippets(client: Client) -> dict[str, str]:
    """Return programs by the name of what they are for. None has a secret: it is read from the environment.

    There is none for an application that signs: its key is its own; nor for one that nobody here writes.
    """
    if client.by_document or client.token_endpoint_auth_method == "private_key_jwt":  # noqa: S105 (no secret)
        return {}
    is_for_people = CODE_GRANTS[0] in client.grant_types
    wanted = [scope for scope in _USUAL if scope in client.scopes] if is_for_people else client.scopes
    redirect_uri = client.redirect_uris[0] if client.redirect_uris else ""
    query = {"response_type": "code", "client_id": client.id, "redirect_uri": redirect_uri}
    values = {
        "client": client,
        "metadata": metadata(),
        "issuer": settings().issuer,
        "algorithm": runtime().keys.algorithm,
        "redirect_uri": redirect_uri,
        "path": urlsplit(redirect_uri).path or "/",
        "scope": " ".join(wanted),
        "query": urlencode({**query, "scope": " ".join(wanted)}),
        "quoted_id": quote_plus(client.id),  # RFC 6749 section 2.3.1
        "text": json.dumps,
        "shell": shlex.quote,
    }
    chosen = FOR_PEOPLE if is_for_people else FOR_SERVICES
    return {
        label: pages.render_text(f"admin/snippets/{name}.txt", **values) for label, name in chosen.items()
    }
