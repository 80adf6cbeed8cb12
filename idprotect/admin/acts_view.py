"""Acts: the dialogue before each, its result one row a target, and the page that says who may do what."""

import hashlib
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect import roles, triage
from idprotect.admin import door
from idprotect.admin.view import ConsoleView, expose
from idprotect.errors import InteractionError
from idprotect.forms import ReasonForm
from idprotect.models import session
from idprotect.roles import Role
from idprotect.triage import Act, Actor, Target

MOST_TARGETS = 100

#: Where the page of a target, and the list that it stands in, are.
PAGES = {
    "user": ("idprotect_admin_users", "user_id"),
    "sign_in": ("idprotect_admin_sign_ins", "sign_in_id"),
    "detection": ("idprotect_admin_detections", ""),
}
WITHIN = {"user": "users", "sign_in": "sign_ins", "detection": "detections"}


class ActsView(ConsoleView):
    """The dialogues; and the matrix of roles."""

    key = "acts"

    @expose("/")
    def index(self) -> AnyResponse:
        """Who may do what; or, sent by the form of a list, on to the dialogue of an act."""
        if act_name := request.args.get("act"):
            return redirect(_dialogue_url(act_name, request.args.getlist("id")), 303)
        acts = [{"act": act, "roles": roles.ACTS[act.name]} for act in triage.ACTS.values()]
        return self.page("acts.html", acts=acts, roles=list(Role), pages=roles.PAGES)

    @expose("/<act_name>", methods=["GET", "POST"])
    def act(self, act_name: str) -> AnyResponse:
        """Ask, and do it."""
        act = triage.ACTS.get(act_name)
        if act is None:
            abort(404)
        if not door.may(act.name):
            return door.refuse(act.name)
        targets = _targets(act)
        here = _dialogue_url(act.name, [target.key for target in targets])
        if act.gives_access and (interruption := door.ask_for_fresh_factor(here)) is not None:
            return interruption
        form = ReasonForm.for_page(_purpose(act, targets))
        status = 200
        if request.method == "POST":
            try:
                form.check()
                if (unchecked := triage.left_open(act, _ticked(act))) is not None:
                    raise InteractionError(unchecked)
                return self._done(act, targets, form.text)
            except InteractionError as error:
                session().rollback()
                form.refuse(error)
                status = 400
        response = self._dialogue(act, targets, form, here)
        response.status_code = status
        return response

    def _dialogue(self, act: Act, targets: Sequence[Target], form: ReasonForm, here: str) -> Response:
        actor = Actor.of(door.person().user)
        rows = [(target, triage.why_refused(act, target, actor)) for target in targets]
        return self.page(
            "act.html",
            within=WITHIN[act.about],
            act=act,
            rows=rows,
            possible=sum(refused is None for _, refused in rows),
            form=form,
            action=here,
            ticked=_ticked(act) if request.method == "POST" else {o.name for o in act.options if o.default},
            cancel_url=_page_of(act, targets),
        )

    def _done(self, act: Act, targets: Sequence[Target], reason: str) -> Response:
        actor, ticked = Actor.of(door.person().user), _ticked(act)
        done = [triage.perform(act, target, actor, reason, ticked) for target in targets]
        return self.page(
            "done.html",
            within=WITHIN[act.about],
            act=act,
            done=done,
            succeeded=sum(row.refused is None for row in done),
            back_url=_page_of(act, targets),
        )


def _dialogue_url(act_name: str, keys: Sequence[str]) -> str:
    query = urlencode({"id": keys}, doseq=True)
    return f"{url_for('idprotect_admin_acts.act', act_name=act_name)}?{query}"


def _targets(act: Act) -> list[Target]:
    """Return what was chosen.

    :raises InteractionError: when that is nothing, too much, or not there.
    """
    keys = list(dict.fromkeys(request.args.getlist("id")))
    if not keys:
        raise InteractionError("Nothing was chosen. Go back and tick at least one row.")
    if len(keys) > MOST_TARGETS:
        raise InteractionError(f"At most {MOST_TARGETS} rows at once, please.")
    found = [triage.find(act, key) if key.isprintable() else None for key in keys]
    targets = [target for target in found if target is not None]
    if len(targets) < len(keys):
        raise InteractionError("Something that was chosen is not there any more.")
    return targets


def _ticked(act: Act) -> set[str]:
    return {option.name for option in act.options} & set(request.form.getlist("option"))


def _purpose(act: Act, targets: Sequence[Target]) -> str:
    """Return what the form's token is bound to: this act on these targets and no others."""
    keys = ",".join(target.key for target in targets)
    return f"{act.name}:{hashlib.sha256(keys.encode()).hexdigest()}"


def _page_of(act: Act, targets: Sequence[Target]) -> str:
    """Return where to go back to: the page of the one target, or their list."""
    endpoint, argument = PAGES[act.about]
    if len(targets) != 1:
        return url_for(f"{endpoint}.index")
    target = targets[0]
    if argument:
        values: dict[str, Any] = {argument: target.key}
        return url_for(f"{endpoint}.details", **values)
    if target.user is not None:
        page = url_for("idprotect_admin_users.details", user_id=target.user_id)
        return f"{page}#detection-{target.key}"
    return url_for(f"{endpoint}.index")


def offered(about: str, key: str) -> dict[str, Any]:
    """Return the acts on one thing that whoever is here may do: those that are possible, and why the others are not."""
    possible: list[dict[str, Any]] = []
    impossible: list[dict[str, Any]] = []
    for act in triage.ACTS.values():
        target = triage.find(act, key) if act.about == about and door.may(act.name) else None
        if target is None:
            continue
        refused = triage.why_refused(act, target, Actor.of(door.person().user))
        url = _dialogue_url(act.name, [key])
        (impossible if refused else possible).append(
            {"label": act.label, "url": url, "why": refused, "act": act}
        )
    return {"possible": possible, "impossible": impossible}
