"""Applications and the audit log: their lists, and the page of one application or event."""

from flask import Response, abort, url_for

from idprotect import audit_chain, client_errors, clients, workloads
from idprotect.admin.list_view import ListView
from idprotect.admin.snippets import snippets
from idprotect.admin.view import expose
from idprotect.lists import APPLICATIONS, AUDIT, DETECTIONS
from idprotect.models import AuditEvent, Client, User, session

#: Somebody waits for the page; the schedule does the rest.
SEALED_AT_ONCE = 2000


class DetectionsView(ListView):
    """What was found."""

    key, listing = "detections", DETECTIONS


class ApplicationsView(ListView):
    """The clients."""

    key, listing = "applications", APPLICATIONS

    @expose("/<path:client_id>")
    def details(self, client_id: str) -> Response:
        """One application."""
        client = session().get(Client, client_id)
        if client is None:
            abort(404)
        return self.page(
            "application.html",
            client=client,
            document=clients.document_of(client),
            list_url=url_for(f"{self.endpoint}.index"),
            snippets=snippets(client),
            errors=len(client_errors.of(client.id)),
            level=workloads.risk(client.id),
            reasons=workloads.reasons(client.id),
            learning=workloads.is_learning(client.id),
            is_blocked=workloads.is_blocked(client.id),
            trail_url=url_for("idprotect_admin_audit.index", actor=f"client:{client.id}"),
        )


class AuditView(ListView):
    """What happened."""

    key, listing = "audit", AUDIT

    def prepare(self) -> None:
        """Seal what is new."""
        audit_chain.seal(at_most=SEALED_AT_ONCE)

    @expose("/<int:event_id>")
    def details(self, event_id: int) -> Response:
        """One event, with its seal."""
        self.prepare()
        event = session().get(AuditEvent, event_id) if event_id < 2**31 else None
        if event is None:
            abort(404)
        user = session().get(User, event.user_id) if event.user_id else None
        return self.page("event.html", event=event, user=user, list_url=url_for(f"{self.endpoint}.index"))
