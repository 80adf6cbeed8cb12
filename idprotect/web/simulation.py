"""The development page on which simulated people and their attackers can be set to work. Never in production."""

from flask import Response, abort

from idprotect import simulation as simulations
from idprotect.errors import InteractionError
from idprotect.forms import PageForm
from idprotect.models import session
from idprotect.pages import render
from idprotect.runtime import settings
from idprotect.simulation import SCENARIOS, Outcome
from idprotect.simulation.journeys import LET_IN

BY = "development"
#: Where a journey ended, in words; whatever else is a page is said as it is called.
ENDED = {
    LET_IN: "let in, with tokens",
    "sign_in": "not let in without the password",
    "mfa": "stopped: asked for a second factor",
    "block": "stopped: the sign-in is blocked",
    "mfa_registration": "stopped: asked to set up a second factor",
}


def simulation() -> Response:
    """List what can be played."""
    _in_development_only()
    return _page()


def simulate(name: str) -> Response:
    """Play a scenario and show what came of it."""
    _in_development_only()
    if name not in SCENARIOS:
        abort(404)
    form = _form()
    try:
        form.check()
        return _page(outcome=simulations.play(name, BY))
    except InteractionError as error:
        return _refused(form, error)


def remove() -> Response:
    """Delete everything that was played."""
    _in_development_only()
    form = _form()
    try:
        form.check()
    except InteractionError as error:
        return _refused(form, error)
    removed = simulations.remove(BY)
    session().commit()
    return _page(message=f"{removed['users']} simulated users and their sign-ins were removed.")


def _in_development_only() -> None:
    if not settings().development:
        abort(404)


def _form() -> PageForm:
    form: PageForm = PageForm.for_page("simulation")
    return form


def _refused(form: PageForm, error: InteractionError) -> Response:
    session().rollback()
    form.refuse(error)
    response = _page(form)
    response.status_code = 400
    return response


def _page(
    form: PageForm | None = None, outcome: Outcome | None = None, message: str | None = None
) -> Response:
    return render(
        "simulation.html",
        form=form or _form(),
        scenarios=SCENARIOS.values(),
        outcome=outcome,
        ended=ENDED.get(outcome.ended_at, f"stopped: {_words(outcome.ended_at)}") if outcome else None,
        decision=_words(outcome.decision) if outcome and outcome.decision else None,
        message=message,
    )


def _words(name: str) -> str:
    return name.replace("_", " ")
