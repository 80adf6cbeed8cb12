"""The link that ends the weekly mail: a page for people, one request for their mail programs (RFC 8058)."""

from flask import Response, request, url_for

from idprotect import digests
from idprotect.models import session
from idprotect.pages import error_page, render


def unsubscribe(token: str) -> Response:
    """Ask, and end it: a GET changes nothing, for programs look at links before people do.

    The link is the proof: who has it may end the mail and nothing else, so the POST needs no token of a form.
    """
    address = digests.read_link(token)
    if address is None:
        return error_page(400, "This link is not valid", "Please use the link of the newest mail.")
    if request.method == "POST":
        digests.unsubscribe(address)
        session().commit()
    action = url_for("idprotect.unsubscribe", token=token)
    return render(
        "unsubscribe.html", address=address, is_done=digests.is_unsubscribed(address), action=action
    )
