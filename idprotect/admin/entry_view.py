"""One policy or one named location at a time, as a form: seen in its consequences first, then put into force."""

from typing import Any

from flask import abort, request
from werkzeug.wrappers import Response as AnyResponse

from idprotect import policies, terms, trials
from idprotect.admin import sentences
from idprotect.admin.change_view import (
    ChangeView,
    OnlyLooked,
    actor,
    digest,
    here,
    look_at,
    put_aside,
)
from idprotect.admin.entry_forms import EntryForm, LocationForm, OnePolicyForm
from idprotect.admin.view import expose
from idprotect.conditional_access import drafts
from idprotect.conditional_access.expressions import FACTS
from idprotect.conditional_access.toml import to_toml
from idprotect.errors import NotFound, PolicyError
from idprotect.forms import PolicyForm
from idprotect.insights.guards import CONFIRMATION
from idprotect.insights.templates import TEMPLATES, template


class EntryView(ChangeView):
    """The pages of one entry of the document."""

    def entry(
        self, page: str, form: Any, row: dict[str, Any], name: str | None, **variables: Any
    ) -> AnyResponse:
        """Show the form of an entry; show what would come of it; put it into force, once that was seen.

        :param row: what the form shows at first.
        :param name: of the entry that is changed; None for a new one.
        """
        seen: dict[str, trials.Preview] = {}

        def put_into_force(form: EntryForm) -> AnyResponse | None:
            policies.check_unchanged(form.based_on.data)
            draft = drafts.with_entry(policies.document(), form.kind, form.row(), instead_of=name)
            if "put_aside" in request.form:
                return put_aside(to_toml(draft), form)
            seen["preview"] = look_at(draft, form)
            was_seen = form.looked_at.data == digest(draft)
            form.looked_at.data = digest(draft)
            if "save" not in request.form or not was_seen:
                raise OnlyLooked
            form.check_reason()
            policies.apply(
                draft,
                actor(),
                form.text,
                confirmation=form.confirmation.data or "",
                based_on=form.based_on.data,
            )
            return None

        if request.method == "GET":
            form.fill(row)
            form.based_on.data = policies.newest_version()
        return self.change(
            page, form, put_into_force, lambda: {"name": name, "action": here(), **seen, **variables}
        )

    def removal(self, kind: str, name: str) -> AnyResponse:
        """Ask before an entry is taken out, and take it out."""
        form = PolicyForm.for_page(f"remove-{kind}-{name}")

        def take_out(form: PolicyForm) -> None:
            draft = drafts.without_entry(policies.document(), kind, name)
            policies.apply(draft, actor(), form.text, confirmation=form.confirmation.data or "")

        return self.change("entry_remove.html", form, take_out, lambda: self._lost(kind, name))

    def _lost(self, kind: str, name: str) -> dict[str, Any]:
        """Return who would notice, or why it cannot be."""
        shown: dict[str, Any] = {"kind": kind, "name": name, "action": here()}
        try:
            draft = drafts.without_entry(policies.document(), kind, name)
            return shown | {"hit": trials.hit_by(policies.check(draft, CONFIRMATION)), "obstacles": ()}
        except PolicyError as error:
            return shown | {"hit": None, "obstacles": error.problems}


class OnePolicyView(EntryView):
    """A policy as a sentence: when who, where, how risky; then what."""

    key = "policy"

    def is_visible(self) -> bool:
        """The menu leads to the policies."""
        return False

    @expose("/new", methods=["GET", "POST"])
    def new(self) -> AnyResponse:
        """A policy more; from a template, if one likes. It begins on trial."""
        kind = request.args.get("template", "")
        row = template(kind, actor()) if kind in TEMPLATES else {}
        return self._form(row, None)

    @expose("/", methods=["GET", "POST"])
    def index(self) -> AnyResponse:
        """A policy that there is."""
        return self._form(found := _found("policy"), str(found["name"]))

    @expose("/remove", methods=["GET", "POST"])
    def remove(self) -> AnyResponse:
        """A policy less."""
        return self.removal("policy", str(_found("policy")["name"]))

    def _form(self, row: dict[str, Any], name: str | None) -> AnyResponse:
        form = OnePolicyForm.for_page(f"policy:{name or ''}")
        locations = [place.name for place in policies.current().locations]
        form.offer(locations, [row.name for row, _ in terms.everything()])
        return self.entry(
            "policy_form.html", form, row, name, templates=TEMPLATES, sentences=sentences, facts=FACTS
        )


class LocationsView(EntryView):
    """The named locations, and the form of one."""

    key = within = "locations"

    @expose("/")
    def index(self) -> AnyResponse:
        """The locations, and which policies name them."""
        force = policies.current()
        rows = [{"place": place, "used_by": _users_of(place.name)} for place in force.locations]
        return self.page("locations.html", rows=rows)

    @expose("/new", methods=["GET", "POST"])
    def new(self) -> AnyResponse:
        """A location more."""
        return self._form({}, None)

    @expose("/one", methods=["GET", "POST"])
    def one(self) -> AnyResponse:
        """A location that there is."""
        return self._form(found := _found("location"), str(found["name"]))

    @expose("/remove", methods=["GET", "POST"])
    def remove(self) -> AnyResponse:
        """A location less, unless it is trusted or a policy names it."""
        return self.removal("location", str(_found("location")["name"]))

    def _form(self, row: dict[str, Any], name: str | None) -> AnyResponse:
        form = LocationForm.for_page(f"location:{name or ''}")
        return self.entry("location_form.html", form, row, name)


def _found(kind: str) -> dict[str, Any]:
    """Return the entry that the address names."""
    try:
        return drafts.find(policies.document(), kind, request.args.get("name", ""))
    except NotFound:
        abort(404)


def _users_of(location: str) -> list[str]:
    """Return the names of the policies that name a location."""
    return [
        policy.name
        for policy in policies.current().policies
        if location
        in policy.locations.include | policy.locations.exclude | policy.expression_words("locations")
    ]
