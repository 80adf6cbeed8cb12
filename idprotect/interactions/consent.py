"""Asks the user whether an application may see what it asks for."""

from urllib.parse import urlsplit

from flask import request

from idprotect import consents, pendings
from idprotect.conditional_access import Step
from idprotect.consents import SCOPES
from idprotect.errors import InteractionError
from idprotect.forms import PageForm
from idprotect.interactions.base import Page, Visit
from idprotect.models import Client, session
from idprotect.redirect_uris import LOOPBACK


def _stranger(client: Client, visit: Visit) -> dict[str, str | bool]:
    """Return what tells people who asks, where nobody registered it: hosts, for a name can be anybody's."""
    back = urlsplit(visit.pending.payload["redirect_uri"])
    is_here = back.hostname in LOOPBACK or back.scheme not in ("https", "http")
    leads_to = back.netloc if back.scheme in ("https", "http") else f"{back.scheme}:"
    return {"host": client.host, "leads_to": leads_to if leads_to != client.host else "", "is_here": is_here}


class ConsentPage:
    """Only what is shown is granted."""

    step = Step.CONSENT

    def form(self, visit: Visit) -> PageForm:
        """Allow or deny."""
        return PageForm.for_page("consent")  # type: ignore[no-any-return]

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Name the application and each thing it would see."""
        client = session().get_one(Client, visit.pending.client_id)
        scopes = [scope for scope in SCOPES if scope in visit.pending.scopes] + [
            scope for scope in visit.pending.scopes if scope not in SCOPES
        ]
        return Page(
            "interactions/consent.html",
            {
                "client": {
                    "name": client.name,
                    # A stranger's would be one more name that can be anybody's.
                    "uri": client.uri if not client.by_document else None,
                    "policy_uri": client.policy_uri,
                    "tos_uri": client.tos_uri,
                },
                "stranger": _stranger(client, visit) if client.by_document else None,
                "scopes": [
                    {
                        "name": scope,
                        "label": SCOPES.get(scope, (scope, ""))[0],
                        "description": SCOPES.get(scope, ("", ""))[1],
                    }
                    for scope in scopes
                ],
                "form": form,
                "action": visit.url(),
            },
        )

    def submit(self, visit: Visit, form: PageForm) -> str | None:
        """Remember the consent; denying goes back to the application with ``access_denied``."""
        answer = request.form.get("answer")
        if answer == "deny":
            return "deny"
        if answer != "allow":
            raise InteractionError("Please choose.")
        consents.give(visit.user, visit.pending.client_id, frozenset(visit.pending.scopes))
        pendings.note_consent(visit.pending)
        session().commit()
        return None
