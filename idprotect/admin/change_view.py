"""Changing what is in force: a form and a fresh factor; what was typed is kept."""

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect import policies, policy_drafts, trials
from idprotect.admin import door
from idprotect.admin.view import ConsoleView
from idprotect.errors import DraftChanged, InteractionError, NotFound, PoliciesChanged, PolicyError
from idprotect.forms import DraftingForm, PolicyForm
from idprotect.insights import differences
from idprotect.models import PolicyVersion, session
from idprotect.trials import Preview


class OnlyLooked(Exception):
    """The draft is good, and was not to be put into force."""


class ChangeView(ConsoleView):
    """Pages that change policies or applications. ``within`` is the key of the view to which one comes back."""

    within = "policies"

    def change(
        self,
        template: str,
        form: Any,
        carry_out: Callable[[Any], AnyResponse | None],
        variables: Callable[[], Mapping[str, Any]],
        may_change: bool = True,
        needs_fresh_factor: bool = True,
    ) -> AnyResponse:
        """Show a form that changes what is in force, or carry it out; a fresh factor is asked for before that.

        :param carry_out: does it; what it returns is shown instead of the list.
        :param variables: what the page shows beside the form; asked after the change was tried.
        :param needs_fresh_factor: not where something is only taken away, which has to be quick.
        """
        status, shown = 200, {}
        if request.method == "POST" and not may_change:
            return door.refuse("policies.edit")
        if (
            request.method == "GET"
            and may_change
            and needs_fresh_factor
            and (stale := door.ask_for_fresh_factor(here())) is not None
        ):
            return stale
        if request.method == "POST":
            try:
                if needs_fresh_factor:
                    _check_fresh()
                form.check()
                page = carry_out(form)
                session().commit()
                return page or redirect(url_for(f"idprotect_admin_{self.within}.index"), 303)
            except OnlyLooked:
                session().rollback()
            except PolicyError as error:
                session().rollback()
                form.show_problems(error.problems)
                status = 409 if isinstance(error, (PoliciesChanged, DraftChanged)) else 400
                if isinstance(error, PoliciesChanged):
                    shown = _meanwhile(form, error)
            except InteractionError as error:
                session().rollback()
                form.refuse(error)
                status = 400
        shown = {"may_change": may_change, **shown, **variables()}
        response = self.page(template, within=self.within, form=form, **shown)
        response.status_code = status
        return response


def digest(draft: Mapping[str, Any]) -> str:
    """Return what tells a draft from any other."""
    return hashlib.sha256(json.dumps(draft, sort_keys=True).encode()).hexdigest()


def actor() -> str:
    """Return who changes something."""
    return door.person().user.username


def look_at(draft: dict[str, Any], form: PolicyForm) -> Preview:
    """Return what would come of a draft; where that has to be confirmed, the form has a field for it from now on.

    :raises PolicyError: when it could not be put into force.
    """
    seen = trials.preview(draft, wants_replay="replay" in request.form)
    form.has_to_confirm = bool(seen.to_confirm)
    return seen


def wants_preview() -> bool:
    """Whether a draft is only to be looked at."""
    return "check" in request.form or "replay" in request.form


def put_aside(text: str, form: DraftingForm) -> AnyResponse:
    """Keep policies as a draft under a new name, and go on with that."""
    draft = policy_drafts.create(form.draft_name.data or "", text, form.based_on.data, actor())
    return redirect(url_for("idprotect_admin_drafts.one", draft_id=draft.id), 303)


def stored(version: int) -> PolicyVersion:
    """Return a version, or leave with an answer that there is none."""
    try:
        return policies.stored(version)
    except (NotFound, OverflowError):
        abort(404)


def here() -> str:
    """Return this page's own address, as a form sends it back."""
    return request.full_path.rstrip("?")


def _meanwhile(form: Any, error: PoliciesChanged) -> dict[str, Any]:
    """Show what others changed; sent again, the draft is about what is in force now."""
    newest = policies.newest_version()
    # What the browser says is based on a version that may never have been.
    before = stored(error.based_on).document if 0 < error.based_on < newest else {}
    form.saw_version(newest)
    return {"meanwhile": differences.unified(before, policies.document(), "as you saw it", "in force now")}


def _check_fresh() -> None:
    """Keep what was typed when the factor is not fresh any more: the page stays, and says where to prove it."""
    if not door.is_fresh():
        raise InteractionError(
            "Please confirm that it is you: open this page in another tab, and then send this one again."
        )
