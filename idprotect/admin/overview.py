"""The first page of the console: what needs somebody, and the way from a reference number to its sign-in."""

from collections.abc import Mapping
from typing import Any

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect import audit, gate, protection, roles
from idprotect.admin import charts, door, figures, posture
from idprotect.admin.data_files import DATA_FILES
from idprotect.admin.view import ConsoleView, expose
from idprotect.audit import Event
from idprotect.models import session
from idprotect.runtime import runtime

LONGEST_REFERENCE = 32
#: Days that the charts can show.
LENGTHS = (7, 30, 90)


class OverviewView(ConsoleView):
    """The overview, and everything below the console's path that is not there."""

    key = "overview"

    @expose("/")
    def index(self) -> Response:
        """What is going on."""
        return self._show()

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
        protection.watch_administrator(door.person().user)
        session().commit()
        if receipts:
            url = url_for("idprotect_admin_sign_ins.details", sign_in_id=receipts[0].sign_in_id)
            return redirect(f"{url}#{receipts[0].reference}", 303)
        response = self._show(not_found=reference)
        response.status_code = 404
        return response

    @expose("/data-files")
    def data_files(self) -> Response:
        """What signals come from, and how to give what is missing."""
        return self.page("data_files.html", files=DATA_FILES, **_signals())

    def _show(self, not_found: str = "") -> Response:
        """Show the page; the help desk comes here to look a reference up, and sees no numbers."""
        shown: dict[str, Any] = {"not_found": not_found}
        if door.may(roles.EVIDENCE):
            length = request.args.get("days", "")
            count = int(length) if length in map(str, LENGTHS) else LENGTHS[1]
            shown |= {
                "waiting": figures.waiting(),
                "advice": posture.advice(),
                "days": count,
                "lengths": LENGTHS,
            }
            shown |= {"measures": figures.measures(count)}
            shown |= {"charts": _charts(count), **_signals()}
        return self.page("overview.html", **shown)

    @expose("/<path:path>")
    def elsewhere(self, path: str) -> Response:
        """A path that does not exist answers as those that do, to whoever may not come in."""
        abort(404)


def _signals() -> dict[str, Any]:
    """Return how the data files are doing, and which nobody gave."""
    intelligence = runtime().intelligence
    unset = intelligence.not_configured()
    return {
        "health": intelligence.health(),
        "not_configured": [file for file in DATA_FILES if file.setting in unset],
    }


def _charts(count: int) -> list[dict[str, Any]]:
    """Return the charts, each with the list in which its numbers stand one by one."""
    found = figures.by_day(count)
    since = {"from": found.days[0].isoformat()}
    prompted, all_of_them = sum(found.prompted), sum(found.sign_ins)
    rate = f"{100 * prompted / all_of_them:.1f}" if all_of_them else "0"
    return [
        _chart(
            charts.stacked("detections", "Detections", found.days, found.detections),
            _list("detections", since),
        ),
        _chart(
            charts.stacked("asked", "Sign-ins that were asked for more", found.days, found.asked),
            _list("sign_ins", {**since, "decision": "asked"}),
        ),
        _chart(
            charts.stacked("blocked", "Sign-ins that were stopped", found.days, {"blocked": found.blocked}),
            _list("sign_ins", {**since, "decision": "blocked"}),
        ),
        _chart(
            charts.line("prompts", "Prompts in 100 sign-ins", found.days, found.prompts_per_100, rate), None
        ),
    ]


def _chart(chart: charts.Chart, url: str | None) -> dict[str, Any]:
    return {"chart": chart, "url": url}


def _list(name: str, filters: Mapping[str, str]) -> str:
    arguments: dict[str, Any] = dict(filters)
    return url_for(f"idprotect_admin_{name}.index", **arguments)
