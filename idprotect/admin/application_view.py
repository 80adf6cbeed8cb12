"""Registering an application: its form, its secret (shown once), what to paste into it, and what went wrong with it."""

from datetime import timedelta
from typing import Any

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect import client_errors, clients, workloads
from idprotect.admin.application_form import (
    ApplicationForm,
    DocumentClientForm,
    NewApplicationForm,
    SecretForm,
)
from idprotect.admin.change_view import ChangeView, actor, here
from idprotect.admin.snippets import snippets
from idprotect.admin.view import expose
from idprotect.errors import NotFound
from idprotect.forms import ReasonForm
from idprotect.models import Client, new_id
from idprotect.oidc.explanations import explain


class ApplicationView(ChangeView):
    """The pages about one application that change it, and that of its errors."""

    key, within = "application", "applications"

    def is_visible(self) -> bool:
        """The menu leads to the list."""
        return False

    @expose("/", methods=["GET", "POST"])
    def index(self) -> AnyResponse:
        """Register an application anew."""
        client = _client()
        kind = DocumentClientForm if client.by_document else ApplicationForm
        form = kind.for_page(f"application:{client.id}")
        registered = clients.registration_of(client)
        if request.method == "GET":
            form.fill(registered)

        def register(form: DocumentClientForm) -> Response | None:
            secret = clients.change(client, form.registration(registered), actor(), form.text)
            return self._secret(client, secret) if secret else None

        shown = {"client": client, "title": f"Change {client.name}", "action": here()}
        return self.change("application_form.html", form, register, lambda: shown)

    @expose("/new", methods=["GET", "POST"])
    def new(self) -> AnyResponse:
        """Register an application."""
        form = NewApplicationForm.for_page("application")
        if request.method == "GET":
            form.client_id.data = new_id()

        def register(form: NewApplicationForm) -> Response:
            # The id was on the page, so that a form that is sent twice registers one application.
            client, secret = clients.create(
                form.new_registration(), by=actor(), client_id=form.client_id.data, reason=form.text
            )
            return self._secret(client, secret)

        shown = {"title": "Register an application", "action": here()}
        return self.change("application_form.html", form, register, lambda: shown)

    @expose("/secret", methods=["GET", "POST"])
    def secret(self) -> AnyResponse:
        """Make a new secret. The page is about the one that there was: sent twice, it makes one."""
        client = _client()
        if client.secret_hash is None:
            abort(404)
        form = SecretForm.for_page(f"secret:{client.id}:{client.secret_hash}")
        is_at_risk = bool(workloads.risk(client.id))
        if request.method == "GET" and is_at_risk:
            form.overlap.data = SecretForm.AT_ONCE

        def rotate(form: SecretForm) -> Response:
            overlap = timedelta(days=int(form.overlap.data))
            return self._secret(client, clients.rotate_secret(client, actor(), overlap, form.text))

        shown = {"client": client, "is_at_risk": is_at_risk, "action": here()}
        return self.change("application_rotate.html", form, rotate, lambda: shown)

    @expose("/switch", methods=["GET", "POST"])
    def switch(self) -> AnyResponse:
        """Disable an application, or enable it."""
        client = _client()
        form = ReasonForm.for_page(f"switch:{client.id}:{client.enabled}")

        def switch(form: ReasonForm) -> None:
            clients.set_enabled(client, not client.enabled, actor(), form.text)

        shown = {"client": client, "action": here()}
        return self.change("application_switch.html", form, switch, lambda: shown)

    @expose("/dismiss", methods=["GET", "POST"])
    def dismiss(self) -> AnyResponse:
        """Say that the risk of an application is void."""
        client = _client()
        form = ReasonForm.for_page(f"dismiss:{client.id}")

        def dismiss(form: ReasonForm) -> AnyResponse:
            workloads.dismiss(client.id, actor(), form.text)
            return redirect(_url(client), 303)

        shown = {"client": client, "reasons": workloads.reasons(client.id), "action": here()}
        return self.change("application_dismiss.html", form, dismiss, lambda: shown)

    @expose("/errors")
    def errors(self) -> Response:
        """What the application did wrong lately, in words."""
        client = _client()
        rows = [
            {"error": row, "explained": explain(row.error, row.description)}
            for row in client_errors.of(client.id)
        ]
        return self.page(
            "application_errors.html", within=self.within, client=client, rows=rows, client_url=_url(client)
        )

    def _secret(self, client: Client, secret: str | None) -> Response:
        """Show the only page that ever has the secret; no browser keeps it."""
        return self.page(
            "application_secret.html",
            within=self.within,
            client=client,
            secret=secret,
            client_url=_url(client),
            snippets=snippets(client),
        )


def _client() -> Client:
    """Return the application that the address names."""
    client_id = request.args.get("id", "")
    try:
        return clients.get(client_id) if client_id.isprintable() else abort(404)
    except NotFound:
        abort(404)


def _url(client: Client) -> str:
    values: dict[str, Any] = {"client_id": client.id}
    return url_for("idprotect_admin_applications.details", **values)
