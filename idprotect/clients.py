"""Registering applications, and what becomes of what they hold when they change."""

import secrets

from idprotect import audit, clock, workloads
from idprotect import redirect_uris as uris
from idprotect.audit import Event
from idprotect.consents import SCOPES
from idprotect.errors import InteractionError, NotFound
from idprotect.keys import sha256
from idprotect.models import Client, new_id, session
from idprotect.models.oauth import OWN_SCOPE

#: What an application may do for itself, without a user, at our own interfaces.
OWN_SCOPES = {"idprotect:findings": "report findings about users and sign-ins"}
CODE_GRANTS = ("authorization_code", "refresh_token")
CLIENT_CREDENTIALS = "client_credentials"
GRANTS = (*CODE_GRANTS, CLIENT_CREDENTIALS)
#: Demanded; or of confidential clients, where no nonce comes; or not at all, for libraries that know neither.
PKCE = ("required", "or_nonce", "optional")


def create(
    name: str,
    redirect_uris: tuple[str, ...],
    *,
    by: str,
    client_id: str | None = None,
    public: bool = False,
    native: bool = False,
    auth_method: str = "client_secret_basic",
    first_party: bool = False,
    id_token_at_refresh: bool = False,
    grant_types: tuple[str, ...] = CODE_GRANTS,
    scopes: tuple[str, ...] | None = None,
    secret: str | None = None,
    post_logout_redirect_uris: tuple[str, ...] = (),
    backchannel_logout_uri: str | None = None,
    pkce: str = "required",
    userinfo_signed: bool = False,
    require_pushed: bool = False,
) -> tuple[Client, str | None]:
    """Register an application; return it with its secret, which can be shown this once.

    :param public: it can keep no secret (a single-page or native application).
    :param scopes: None: all about users, where users come into it.
    :param secret: at least 32 characters, for set-ups that need to know it in advance.
    :raises InteractionError: for a redirect URI that is not safe, with the reason.
    """
    if scopes is None:
        scopes = tuple(SCOPES) if "authorization_code" in grant_types else ()
    problems = _problems(redirect_uris, scopes, grant_types, native=native)
    problems += _logout_problems(post_logout_redirect_uris, backchannel_logout_uri, native=native)
    if public and CLIENT_CREDENTIALS in grant_types:
        problems.append("a public client has no credentials of its own")
    if pkce not in PKCE or (public and pkce != "required"):
        problems.append("a public client cannot do without PKCE")
    if secret is not None and len(secret) < 32:
        problems.append("a secret has at least 32 characters")
    if client_id is not None and not (
        client_id.isascii() and client_id.isprintable() and len(client_id) <= 128
    ):
        problems.append("a client id has at most 128 printable ASCII characters")
    if client_id is not None and session().get(Client, client_id) is not None:
        problems.append(f"a client with the id {client_id!r} exists")
    if problems:
        raise InteractionError("; ".join(problems))
    issued = None if public else secret or secrets.token_urlsafe(32)
    client = Client(
        id=client_id or new_id(),
        name=name,
        secret_hash=sha256(issued) if issued else None,
        token_endpoint_auth_method="none" if public else auth_method,
        redirect_uris=list(redirect_uris),
        post_logout_redirect_uris=list(post_logout_redirect_uris),
        backchannel_logout_uri=backchannel_logout_uri,
        grant_types=list(grant_types),
        scopes=list(scopes),
        pkce=pkce,
        userinfo_signed=userinfo_signed,
        require_pushed=require_pushed,
        native=native,
        first_party=first_party,
        id_token_at_refresh=id_token_at_refresh,
    )
    session().add(client)
    session().flush()
    audit.record(Event.CLIENT_CREATED, actor=by, client_id=client.id, first_party=first_party)
    return client, issued


def get(client_id: str) -> Client:
    """Return a client; raise NotFound when there is none."""
    client = session().get(Client, client_id)
    if client is None:
        raise NotFound(f"no client has the id {client_id!r}")
    return client


def change(
    client: Client,
    by: str,
    *,
    redirect_uris: tuple[str, ...] | None = None,
    scopes: tuple[str, ...] | None = None,
    post_logout_redirect_uris: tuple[str, ...] | None = None,
    backchannel_logout_uri: str | None = None,
) -> None:
    """Change what an application may ask for; once something is taken away, everything issued so far is refused.

    :param backchannel_logout_uri: None leaves it as it is; an empty text takes it away.
    :raises InteractionError: for a URI that is not safe, with the reason.
    """
    _change_logout(client, post_logout_redirect_uris, backchannel_logout_uri)
    redirect_uris = tuple(client.redirect_uris) if redirect_uris is None else redirect_uris
    scopes = tuple(client.scopes) if scopes is None else scopes
    if problems := _problems(redirect_uris, scopes, tuple(client.grant_types), native=client.native):
        raise InteractionError("; ".join(problems))
    removed = sorted({*client.redirect_uris, *client.scopes} - {*redirect_uris, *scopes})
    if removed:
        client.valid_after = clock.now()
    client.redirect_uris, client.scopes = list(redirect_uris), list(scopes)
    audit.record(
        Event.CLIENT_CHANGED,
        actor=by,
        client_id=client.id,
        change="redirect URIs or scopes",
        redirect_uris=list(redirect_uris),
        scopes=list(scopes),
        removed=removed,
        post_logout_redirect_uris=client.post_logout_redirect_uris,
        backchannel_logout_uri=client.backchannel_logout_uri,
    )


def _change_logout(client: Client, post_logout: tuple[str, ...] | None, backchannel: str | None) -> None:
    if problems := _logout_problems(post_logout or (), backchannel or None, native=client.native):
        raise InteractionError("; ".join(problems))
    if post_logout is not None:
        client.post_logout_redirect_uris = list(post_logout)
    if backchannel is not None:
        client.backchannel_logout_uri = backchannel or None


def rotate_secret(client: Client, by: str) -> str:
    """Give a client a new secret; the old one, and everything issued so far, is refused. Closes the client's risk."""
    if client.is_public:
        raise InteractionError("a public client has no secret")
    issued = secrets.token_urlsafe(32)
    client.secret_hash, client.valid_after = sha256(issued), clock.now()
    audit.record(Event.CLIENT_CHANGED, actor=by, client_id=client.id, change="secret rotated")
    workloads.remediate(client.id, by)
    return issued


def set_enabled(client: Client, enabled: bool, by: str) -> None:
    """Disable a client with everything it holds, or enable it; what it held stays dead."""
    client.enabled, client.valid_after = enabled, clock.now()
    audit.record(
        Event.CLIENT_CHANGED, actor=by, client_id=client.id, change="enabled" if enabled else "disabled"
    )


def _problems(
    redirect_uris: tuple[str, ...], scopes: tuple[str, ...], grant_types: tuple[str, ...], *, native: bool
) -> list[str]:
    problems = [problem for uri in redirect_uris if (problem := uris.problem(uri, native=native))]
    if not redirect_uris and "authorization_code" in grant_types:
        problems.append("at least one redirect URI is needed")
    own = {scope for scope in scopes if scope.startswith(OWN_SCOPE)}
    problems += [f"there is no scope {scope!r}" for scope in sorted(own - OWN_SCOPES.keys())]
    if own and CLIENT_CREDENTIALS not in grant_types:
        problems.append(f"{', '.join(sorted(own))} needs the grant {CLIENT_CREDENTIALS}")
    return problems


def _logout_problems(post_logout: tuple[str, ...], backchannel: str | None, *, native: bool) -> list[str]:
    problems = [problem for uri in post_logout if (problem := uris.problem(uri, native=native))]
    if backchannel is not None and (problem := uris.problem(backchannel, native=False)):
        problems.append(problem)
    return problems
