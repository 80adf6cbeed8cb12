"""Where people allow a device what it asks for (RFC 8628 section 3.3): the code, who asks, and the person's answer."""

from typing import cast

from flask import redirect, request, url_for
from werkzeug.wrappers import Response

from idprotect import consents, flow, session_cookie
from idprotect.consents import SCOPES
from idprotect.errors import InteractionError, TooManyAttempts
from idprotect.forms import PageForm, UserCodeForm
from idprotect.gate import Access
from idprotect.models import Client, session
from idprotect.oidc import device
from idprotect.oidc.device import StoredDevice
from idprotect.pages import is_foreign, render
from idprotect.pendings import Wanted
from idprotect.session_cookie import Current

UNKNOWN = "This code is not right, or it is too old. Please look at your device again."


def enter() -> Response:
    """Ask for the code that a device shows; one that came in a link is compared and confirmed, too (section 3.3.1)."""
    code = request.args.get("user_code")
    if code is not None:
        return redirect(url_for("idprotect.confirm_device", user_code=device.shown(code)), 303)
    return _ask_for_code()


def confirm() -> Response:
    """Show who asks for what, and take the answer; only from somebody whom the gate lets in for that client now.

    A code that another site sent is not compared before its visitor sends it: wrong ones would count against them.
    """
    if is_foreign():
        return _ask_for_code()
    code = request.args.get("user_code", "")
    try:
        grant = device.find(code) if len(code) <= 64 else None
    except TooManyAttempts as error:
        return _ask_for_code(error)
    client = session().get(Client, grant.client_id) if grant is not None else None
    if grant is None or client is None or not client.enabled:
        return _ask_for_code(InteractionError(UNKNOWN, "user_code"))
    here = url_for("idprotect.confirm_device", user_code=device.shown(code))
    scopes = frozenset(grant.scope.split())
    if interruption := flow.guard(Wanted(client.id, client.shown_name, scopes, return_to=here)):
        return interruption
    current = cast(Current, session_cookie.current())
    form = PageForm.for_page(f"device {grant.id}")
    if request.method == "POST":
        try:
            form.check()
            return _answer(grant, client, Access(current, client.id, scopes))
        except InteractionError as error:
            form.refuse(error)
    response = render(
        "device_confirm.html",
        form=form,
        action=here,
        client_name=client.shown_name,
        user_name=current.user.display_name,
        user_code=device.shown(code),
        scopes=[words[0] for name, words in SCOPES.items() if name in scopes]
        + sorted(scopes - SCOPES.keys()),
    )
    response.status_code = 400 if form.errors else 200
    return response


def _ask_for_code(error: InteractionError | None = None) -> Response:
    """Show where the code is typed. It goes into the address, as in the link that some devices show."""
    form = UserCodeForm.for_page("device")
    status = 200
    if code := request.args.get("user_code"):
        form.user_code.data = device.shown(code[:64])
    if error is not None:
        status = 429 if isinstance(error, TooManyAttempts) else 400
        form.refuse(error)
    response = render("device.html", form=form, action=url_for("idprotect.confirm_device"))
    response.status_code = status
    return response


def _answer(grant: StoredDevice, client: Client, access: Access) -> Response:
    answer = request.form.get("answer")
    if answer not in ("allow", "deny"):
        raise InteractionError("Please choose.")
    if answer == "deny":
        device.deny(grant)
    elif not device.approve(grant, access):
        raise InteractionError(UNKNOWN)
    elif not client.first_party:
        consents.give(access.user, client.id, access.scopes)
    session().commit()
    return render("device_done.html", allowed=answer == "allow", client_name=client.shown_name)
