"""The first page of the console: what needs somebody, and the way from a reference number to its sign-in."""

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect import audit, gate
from idprotect.admin import door
from idprotect.admin.view import ConsoleView, expose
from idprotect.audit import Event
from idprotect.models import session

LONGEST_REFERENCE = 32


class OverviewView(ConsoleView):
    """The overview, and everything below the console's path that is not there."""

    key = "overview"

    @expose("/")
    def index(self) -> Response:
        """What is going on."""
        return self.page("overview.html")

    @expose("/find")
    def find(self) -> AnyResponse:
        """Go to the sign-in behind a reference number; each look-up is written down."""
        reference = request.args.get("reference", "")[:LONGEST_REFERENCE]
        receipts = gate.find_receipts(reference)
        audit.record(
            Event.CONSOLE_LOOKED_UP,
            actor=door.person().user.username,
            user_id=receipts[0].user_id if receipts else None,
            reference=reference,
            found=bool(receipts),
        )
        session().commit()
        if receipts:
            url = url_for("idprotect_admin_sign_ins.details", sign_in_id=receipts[0].sign_in_id)
            return redirect(f"{url}#{receipts[0].reference}", 303)
        response = self.page("overview.html", not_found=reference)
        response.status_code = 404
        return response

    @expose("/<path:path>")
    def elsewhere(self, path: str) -> Response:
        """A path that does not exist answers as those that do, to whoever may not come in."""
        abort(404)
