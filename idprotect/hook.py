"""For a host application: tell idprotect of sign-ins at its own page, and ask it before anything goes out.

All of it runs in the host's database session and commits there. Call it before changing anything of your own.
"""

import string
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any
from urllib.parse import quote

from flask import current_app, redirect, request, url_for
from flask.globals import request_ctx
from werkzeug.wrappers import Response

from idprotect import browser, clock, flow, gate, notifications, protection, session_cookie, sign_ins, users
from idprotect.contexts import LADDER
from idprotect.errors import ConfigurationError, InteractionError
from idprotect.gate import Access
from idprotect.hosts import HostDirectory
from idprotect.models import SignIn, session
from idprotect.pendings import Wanted
from idprotect.risk import RiskLevel
from idprotect.runtime import runtime

#: The client of the host's own pages; policies can name it.
HOST = "host"
View = Callable[..., Any]


def verify_password(host_user: Any | None, password: str) -> bool:
    """Compare a password at the host's own page: the host's, or the temporary one that an administrator set.

    :param host_user: an object of the host's user model; None: nobody is called so, and finding that out takes time.
    """
    directory = _directory()
    user = directory.known(host_user) if host_user is not None else None
    if user is None and host_user is not None:
        return directory.host.verify_password(host_user, password)
    return directory.verify_password(user, password)


def sign_in(host_user: Any, password: str | None = None) -> SignIn:
    """Judge a sign-in at the host's own page, after the password was found right; gives the browser its cookie.

    :param host_user: an object of the host's user model.
    :param password: what was typed, to look it up in breached-password data; it is not kept.
    :raises InteractionError: when this account failed so often that it has to wait (``TooManyAttempts``), or an
        administrator replaced the password by a temporary one, and this is not it. The text is for the page.
    :raises EvaluationError: when the sign-in could not be judged; do not let the person in.
    """
    user, visitor = _directory().shadow(host_user), browser.visitor()
    tried = sign_ins.count_try(user, user.username, visitor)
    if user.temporary_password_hash:
        right = password is not None and sign_ins.password_is_right(user, password)
    else:
        right = users.still_has_password(user)
    if not right:
        sign_ins.record_failure(user, visitor, tried.holder)
        raise InteractionError(sign_ins.WRONG)
    tried.take_back()
    sign_in_id = sign_ins.begin(user, visitor, password=password, holder=tried.holder)
    notifications.flush()
    return session().get_one(SignIn, sign_in_id)


def sign_in_failed(username: str) -> None:
    """Count a wrong password at the host's own page, also for a name that nobody has.

    :raises TooManyAttempts: when this account failed so often that it has to wait. The text is for the page.
    """
    user, visitor = _directory().find(username), browser.visitor()
    tried = sign_ins.count_try(user, username, visitor)
    sign_ins.record_failure(user, visitor, tried.holder)


def continue_to(page: str) -> Response:
    """Answer a sign-in at the host's own page: send the browser on, past everything that stands in between.

    :param page: a path of this site, for somebody who came to sign in and for nothing else; otherwise the browser
        goes where it was sent from, which the argument ``next`` of the URL tells.
    """
    target = _path_of_this_site(request.values.get("next")) or page
    if target.startswith(url_for("idprotect.resume", pending_id="")):
        return redirect(target, 303)
    return interrupt(return_to=target) or redirect(target, 303)


def is_signed_in(host_user: Any | None) -> bool:
    """Whether this browser's sign-in is this user's, was let in, and still would be.

    Ask where the host finds out whom its own session belongs to (Flask-Login's ``user_loader``). Then that session is
    worth no more than the sign-in: it ends when the sign-in is revoked, and is nobody's before the person got past
    what stands in between.
    """
    current = session_cookie.current()
    if host_user is None or current is None or current.sign_in.completed_at is None:
        return False
    if current.user.host_id != _directory().host.identify(host_user):
        return False
    return gate.still_allows(Access(current, HOST))


def interrupt(
    client_id: str = HOST,
    client_name: str = "",
    scopes: Iterable[str] = (),
    return_to: str | None = None,
    *,
    user: Any | None = None,
) -> Response | None:
    """Ask before something goes out: None lets it, a response has to be returned instead.

    One call in the authorize view of an existing server, before it issues a code. The browser comes back to the very
    URL that was asked for, and this is asked again.

    :param return_to: a path of this site; the current URL when it is not given.
    :param user: to whom it goes out, an object of the host's user model; the sign-in of another is not good enough.
    """
    target = _current_path() if return_to is None else _path_of_this_site(return_to)
    if target is None:
        raise ConfigurationError("return_to must be a path of this site")
    # Whatever cookie the browser has, it must not open the door for somebody else.
    stranger = user is not None and _is_somebody_else(user)
    response = flow.guard(
        Wanted(
            client_id,
            client_name or client_id,
            frozenset(scopes),
            return_to=target,
            sign_in_after=clock.now() if stranger else None,
        )
    )
    notifications.flush()
    return response


def require_acr(acr: str, client_id: str = HOST, client_name: str = "") -> Callable[[View], View]:
    """Let nobody see a view of the host who is signed in by less: the decorator asks for the rest, and comes back.

    :param acr: ``aal2`` wants a second factor of everybody, ``aal1`` a sign-in. Who has none is asked to register one.
    :param client_id: as policies call the view.
    """
    if acr not in LADDER:
        raise ConfigurationError(f"{acr!r} is not one of {', '.join(LADDER)}")
    return _guarding([gate.MFA] if acr == "aal2" else [], client_id, client_name)


def require_risk_below(level: str, client_id: str = HOST, client_name: str = "") -> Callable[[View], View]:
    """Let nobody see a view of the host whose risk has reached a level, whatever the policies say.

    Who has a second factor is led through what cures the risk, and back; others are blocked.

    :param level: ``low``, ``medium`` or ``high``.
    """
    try:
        scope = gate.RISK_BELOW[RiskLevel.parse(level)]
    except (ValueError, KeyError):
        raise ConfigurationError(f"{level!r} is not low, medium or high") from None
    return _guarding([scope], client_id, client_name)


def _guarding(scopes: list[str], client_id: str, client_name: str) -> Callable[[View], View]:
    def decorate(view: View) -> View:
        @wraps(view)
        def guarded(*args: Any, **values: Any) -> Any:
            page = interrupt(client_id, client_name, scopes)
            return page if page is not None else current_app.ensure_sync(view)(*args, **values)

        return guarded

    return decorate


def password_changed(host_user: Any) -> None:
    """Tell that the host itself stored a new password: other sign-ins of this user end, and risk stays as it is."""
    directory = _directory()
    user, current = directory.shadow(host_user), session_cookie.current()
    acting = current.sign_in if current is not None and current.user.id == user.id else None
    directory.password_changed(user)
    protection.voluntary_password_change(user, acting)
    users.password_changed(user, acting, secure=False)
    if acting is not None:
        session_cookie.renew(acting)
    session().commit()
    notifications.flush()


def sign_out() -> None:
    """End the sign-in of this browser, with the tokens that came of it."""
    if (current := session_cookie.current()) is not None:
        session_cookie.end(current, "signed_out")
        session().commit()


def _is_somebody_else(host_user: Any) -> bool:
    current = session_cookie.current()
    return current is not None and current.user.host_id != _directory().host.identify(host_user)


def _current_path() -> str:
    """Return the current URL without its host, as a page to come back to by GET."""
    adapter = request_ctx.url_adapter
    if adapter is None or not adapter.test(method="GET"):
        return f"{request.script_root}/"
    # A path that begins with two slashes would name another site.
    path = "/" + quote(request.script_root + request.path, safe="/!$&'()*+,:;=@~").lstrip("/")
    query = quote(request.query_string, safe=string.punctuation)
    return f"{path}?{query}" if query else path


def _path_of_this_site(target: str | None) -> str | None:
    """Return *target* if a browser will take it for a path of this site whatever it makes of odd characters."""
    if not target or not target.startswith("/") or target.startswith("//"):
        return None
    return target if target.isprintable() and "\\" not in target else None


def _directory() -> HostDirectory:
    directory = runtime().directory
    if not isinstance(directory, HostDirectory):
        raise ConfigurationError("IDProtect was made without users=…")
    return directory
