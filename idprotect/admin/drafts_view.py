"""The shelf of drafts: policies that wait, and the page on which anybody who may change policies goes on with one."""

from typing import Any

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect import policies, policy_drafts
from idprotect.admin.change_view import ChangeView, OnlyLooked, actor, here, look_at, wants_preview
from idprotect.admin.view import expose
from idprotect.conditional_access.toml import from_toml
from idprotect.errors import DraftChanged, NotFound
from idprotect.forms import DraftForm, SavedDraftForm
from idprotect.insights import differences
from idprotect.models import PolicyDraft


class DraftsView(ChangeView):
    """Drafts of policies."""

    key = "drafts"

    def is_visible(self) -> bool:
        """The pages of policies lead here."""
        return False

    @expose("/")
    def index(self) -> Response:
        """What waits."""
        newest = policies.newest_version()
        return self.page("drafts.html", within=self.within, drafts=policy_drafts.drafts(), newest=newest)

    @expose("/<draft_id>", methods=["GET", "POST"])
    def one(self, draft_id: str) -> AnyResponse:
        """Go on with a draft: save it, see what would come of it, put it into force."""
        try:
            draft = policy_drafts.get(draft_id)
        except NotFound:
            return self._gone()
        form = SavedDraftForm.for_page(f"draft-{draft_id}")
        seen: dict[str, Any] = {}
        if request.method == "GET":
            form.draft.data, form.based_on.data, form.revision.data = (
                draft.text,
                draft.based_on,
                draft.revision,
            )
            seen["compared"] = policy_drafts.compare(draft.text)

        def carry_out(form: SavedDraftForm) -> AnyResponse | None:
            try:
                return _go_on(draft, form, seen)
            except DraftChanged:
                theirs = _found(draft_id)
                form.saw_revision(theirs.revision)
                seen.update(saved=theirs, theirs=_difference(theirs, form.draft.data or ""))
                raise

        return self.change(
            "policy_edit.html", form, carry_out, lambda: {"saved": draft, "action": here(), **seen}
        )

    def _gone(self) -> AnyResponse:
        """Give back what somebody typed into a draft that others were done with meanwhile."""
        if request.method == "GET":
            abort(404)
        form = DraftForm.for_page("policies")
        form.show_problems(
            [
                "Somebody else discarded this draft, or put it into force. Yours is below; keep it under a new name."
            ]
        )
        edit_url = url_for("idprotect_admin_policies.edit")
        response = self.page("policy_edit.html", within=self.within, form=form, action=edit_url)
        response.status_code = 409
        return response

    @expose("/<draft_id>/discard", methods=["GET", "POST"])
    def discard(self, draft_id: str) -> AnyResponse:
        """Ask before a draft is thrown away."""
        draft = _found(draft_id)
        form = SavedDraftForm.for_page(f"discard-{draft_id}")
        if request.method == "GET":
            form.based_on.data, form.revision.data = draft.based_on, draft.revision

        def throw_away(form: SavedDraftForm) -> AnyResponse:
            form.check_reason()
            policy_drafts.discard(draft, actor(), form.text, form.revision.data)
            return _to_the_shelf()

        return self.change("draft_discard.html", form, throw_away, lambda: {"saved": draft, "action": here()})


def _go_on(draft: PolicyDraft, form: SavedDraftForm, seen: dict[str, Any]) -> AnyResponse | None:
    text, revision = form.draft.data or "", form.revision.data
    if "put_aside" in request.form:
        policy_drafts.save(draft, text, form.based_on.data, actor(), revision)
        return redirect(url_for("idprotect_admin_drafts.one", draft_id=draft.id), 303)
    policies.check_unchanged(form.based_on.data)
    if wants_preview():
        seen["preview"] = look_at(from_toml(text), form)
        raise OnlyLooked
    form.check_reason()
    confirmation = form.confirmation.data or ""
    policy_drafts.apply(draft, text, form.based_on.data, actor(), form.text, revision, confirmation)
    return None


def _difference(theirs: PolicyDraft, text: str) -> str:
    """Return how what was typed differs from what somebody else saved."""
    return differences.lines(theirs.text, text, f"saved by {theirs.saved_by}", "yours")


def _found(draft_id: str) -> PolicyDraft:
    try:
        return policy_drafts.get(draft_id)
    except NotFound:
        abort(404)


def _to_the_shelf() -> AnyResponse:
    return redirect(url_for("idprotect_admin_drafts.index"), 303)
