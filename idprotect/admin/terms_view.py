"""Terms of use: what there is, what each version says, who accepted it; and publishing another."""

from typing import Any

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect import acceptances, markup, terms
from idprotect.admin.change_view import ChangeView, OnlyLooked, actor, here, wants_preview
from idprotect.admin.list_view import ListView
from idprotect.admin.terms_form import NewTermsForm, TermsForm
from idprotect.admin.view import expose
from idprotect.errors import InteractionError, NotFound, TermsChanged
from idprotect.forms import ReasonForm
from idprotect.insights import differences
from idprotect.lists import ACCEPTANCES
from idprotect.models import Terms, TermsVersion


class AcceptancesView(ListView):
    """Who accepted what."""

    key, listing = "acceptances", ACCEPTANCES


class TermsView(ChangeView):
    """The documents that policies can have accepted."""

    key = within = "terms"

    @expose("/")
    def index(self) -> Response:
        """The terms, and which policies ask for them."""
        return self.page("terms.html", rows=[_shown(row, newest) for row, newest in terms.everything()])

    @expose("/new", methods=["GET", "POST"])
    def new(self) -> AnyResponse:
        """Terms more."""
        form = NewTermsForm.for_page("terms")
        if request.method == "GET":
            form.based_on.data = 0

        def create(form: NewTermsForm) -> AnyResponse:
            _look_first(form)
            name = (form.name.data or "").strip()
            terms.create(
                name,
                form.title.data or "",
                form.wording.data or "",
                actor(),
                valid_days=form.days,
                note=form.text,
            )
            return _to(name)

        return self.change("terms_form.html", form, create, lambda: _read(form, None))

    @expose("/<name>")
    def one(self, name: str) -> Response:
        """One version, the newest when none is named, and what became of all of them."""
        row, newest = _found(name)
        number = request.args.get("version", "")
        try:
            shown = terms.version(name, int(number)) if number.isascii() and number.isdigit() else newest
        except NotFound:
            abort(404)
        return self.page(
            "terms_one.html",
            row=_shown(row, newest),
            shown=shown,
            blocks=markup.blocks(shown.text),
            versions=[
                (version, acceptances.count(name, version.version)) for version in terms.versions(name)
            ],
        )

    @expose("/<name>/change", methods=["GET", "POST"])
    def edit(self, name: str) -> AnyResponse:
        """Publish a version, or say for how long acceptances are good."""
        row, newest = _found(name)
        form = TermsForm.for_page(f"terms-{name}")
        theirs: dict[str, Any] = {}
        if request.method == "GET":
            form.fill(row, newest)

        def publish(form: TermsForm) -> AnyResponse:
            _look_first(form)
            try:
                _publish(row, newest, form)
            except TermsChanged:
                theirs.update(_theirs(newest, form))
                raise
            return _to(name)

        return self.change("terms_form.html", form, publish, lambda: {**_read(form, row), **theirs})

    @expose("/<name>/remove", methods=["GET", "POST"])
    def remove(self, name: str) -> AnyResponse:
        """Terms less, with everything that was accepted."""
        row, newest = _found(name)
        form = ReasonForm.for_page(f"remove-terms-{name}")

        def take_away(form: ReasonForm) -> None:
            terms.delete(name, actor(), form.text)

        shown = _shown(row, newest)
        return self.change("terms_remove.html", form, take_away, lambda: {"row": shown, "action": here()})


def _publish(row: Terms, newest: TermsVersion, form: TermsForm) -> None:
    note, days = form.text, form.days
    is_other = terms.is_other(newest, form.title.data or "", form.wording.data or "")
    if not is_other and days == row.valid_days:
        raise InteractionError("Nothing was changed.")
    terms.set_valid_days(row.name, days, actor(), note)
    if is_other:
        terms.publish(
            row.name,
            form.title.data or "",
            form.wording.data or "",
            actor(),
            based_on=form.based_on.data,
            asks_again=form.asks_again.data,
            note=note,
        )


def _theirs(newest: TermsVersion, form: TermsForm) -> dict[str, Any]:
    """Show what somebody else published; sent again, the form is about that."""
    form.based_on.data, form.based_on.raw_data = newest.version, None
    label = f"version {newest.version}, by {newest.published_by}"
    return {"theirs": differences.lines(newest.text, form.wording.data or "", label, "yours")}


def _look_first(form: TermsForm) -> None:
    """Stop where the text is only to be looked at; a change needs a reason."""
    if wants_preview():
        raise OnlyLooked
    form.check_reason()


def _read(form: TermsForm, row: Terms | None) -> dict[str, Any]:
    """Return what the form's page shows beside it: how the text would look, and who would be asked again."""
    looked_at = request.method == "POST" and wants_preview()
    return {
        "row": row,
        "action": here(),
        "blocks": markup.blocks(form.wording.data or "") if looked_at else None,
        "accepted_by": acceptances.count(row.name) if row is not None else 0,
    }


def _shown(row: Terms, newest: TermsVersion) -> dict[str, Any]:
    return {
        "name": row.name,
        "valid_days": row.valid_days,
        "required": row.required,
        "newest": newest,
        "accepted_by": acceptances.count(row.name),
        "used_by": terms.policies_about(row.name),
    }


def _found(name: str) -> tuple[Terms, TermsVersion]:
    try:
        return terms.get(name), terms.version(name)
    except NotFound:
        abort(404)


def _to(name: str) -> AnyResponse:
    return redirect(url_for("idprotect_admin_terms.one", name=name), 303)
