"""The page that shows from which address this very request comes, why, and whether signals by address count."""

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect import address_trust, browser
from idprotect.admin import door
from idprotect.admin.view import ConsoleView, expose
from idprotect.errors import InteractionError
from idprotect.forms import ReasonForm
from idprotect.models import session
from idprotect.runtime import settings

CHANGE = "addresses.change"


class AddressesView(ConsoleView):
    """How visitors' addresses are found."""

    key = "addresses"

    @expose("/")
    def index(self) -> Response:
        """Every hop of this request, and what was confirmed."""
        return self._show(ReasonForm.for_page(CHANGE))

    @expose("/change", methods=["GET", "POST"])
    def change(self) -> AnyResponse:
        """Confirm that addresses are seen rightly, or withdraw that."""
        here = url_for("idprotect_admin_addresses.index")
        if request.method == "GET":
            return redirect(here, 303)
        if (interruption := door.ask_for_fresh_factor(here)) is not None:
            return interruption
        form = ReasonForm.for_page(CHANGE)
        try:
            form.check()
        except InteractionError as error:
            form.refuse(error)
            response = self._show(form)
            response.status_code = 400
            return response
        act = address_trust.withdraw if "withdraw" in request.form else address_trust.confirm
        act(door.person().user.username, form.text)
        session().commit()
        return redirect(here, 303)

    def _show(self, form: ReasonForm) -> Response:
        return self.page(
            "addresses.html",
            trail=browser.trail(),
            proxies=list(settings().trusted_proxies),
            confirmation=address_trust.confirmation(),
            is_development=settings().development,
            form=form,
        )
