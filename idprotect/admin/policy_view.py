"""Policies: those in force, their versions, an editor over their text, and what-if. Every rule is that of the file."""

from collections.abc import Mapping
from typing import Any

from flask import Response, abort, request
from werkzeug.wrappers import Response as AnyResponse

from idprotect import people, policies, trials
from idprotect.admin import door, sentences
from idprotect.admin.change_view import (
    ChangeView,
    OnlyLooked,
    actor,
    here,
    look_at,
    put_aside,
    stored,
    wants_preview,
)
from idprotect.admin.view import expose
from idprotect.conditional_access import AcceptedTerms, PolicyState, drafts, parse_policies
from idprotect.conditional_access.facts import PLATFORMS
from idprotect.conditional_access.toml import from_toml, to_toml
from idprotect.errors import NotFound
from idprotect.forms import DraftForm, PolicyForm, ReasonForm
from idprotect.insights import differences
from idprotect.insights.templates import TEMPLATES
from idprotect.insights.what_if import what_if
from idprotect.lists.listing import PERIODS
from idprotect.risk import RiskLevel

YES_NO = {"yes": True, "no": False}
RISKS = ("sign_in_risk", "session_risk", "user_risk")


class PoliciesView(ChangeView):
    """Conditional access."""

    key = "policies"

    @expose("/")
    def index(self) -> Response:
        """The policies in force, as sentences."""
        force = policies.current()
        rows = [
            {"policy": policy, "when": sentences.when(policy), "then": sentences.then(policy)}
            for policy in force.policies
        ]
        missing = [kind for kind in TEMPLATES if all(policy.name != kind for policy in force.policies)]
        return self.page(
            "policies.html", force=force, rows=rows, templates={kind: TEMPLATES[kind] for kind in missing}
        )

    @expose("/policies.toml")
    def file(self) -> Response:
        """The file of what is in force; ``policy apply`` takes it."""
        response = Response(to_toml(policies.document()), mimetype="text/plain")
        response.headers["Content-Disposition"] = 'attachment; filename="policies.toml"'
        return response

    @expose("/versions")
    def versions(self) -> Response:
        """What was in force when, and who did it."""
        return self.page("policy_versions.html", versions=policies.versions())

    @expose("/versions/<int:version>", methods=["GET", "POST"])
    def version(self, version: int) -> AnyResponse:
        """What one version changed; and going back to it."""
        found = stored(version)
        before = stored(version - 1).document if version > 1 else {}
        form = PolicyForm.for_page(f"roll-back-{version}")

        def roll_back(form: PolicyForm) -> None:
            policies.roll_back(actor(), version, form.text, confirmation=form.confirmation.data or "")

        variables = {
            "stored": found,
            "is_newest": version == policies.newest_version(),
            "changes": differences.by_name(before, found.document),
            "diff": differences.unified(
                before, found.document, f"version {version - 1}", f"version {version}"
            ),
            "text": to_toml(found.document),
        }
        may_change = door.may("policies.edit")
        return self.change("policy_version.html", form, roll_back, lambda: variables, may_change)

    @expose("/edit", methods=["GET", "POST"])
    def edit(self) -> AnyResponse:
        """The text of the policies; checked as often as one likes before it comes into force."""
        form = DraftForm.for_page("policies")
        if request.method == "GET":
            form.draft.data = to_toml(policies.document())
            form.based_on.data = policies.newest_version()
        seen: dict[str, trials.Preview] = {}

        def put_into_force(form: DraftForm) -> AnyResponse | None:
            if "put_aside" in request.form:
                return put_aside(form.draft.data or "", form)
            policies.check_unchanged(form.based_on.data)
            draft, confirmation = from_toml(form.draft.data or ""), form.confirmation.data or ""
            if wants_preview():
                seen["preview"] = look_at(draft, form)
                raise OnlyLooked
            form.check_reason()
            based_on = form.based_on.data
            policies.apply(draft, actor(), form.text, confirmation=confirmation, based_on=based_on)
            return None

        return self.change("policy_edit.html", form, put_into_force, lambda: {"action": here(), **seen})

    @expose("/state/<name>/<state>", methods=["GET", "POST"])
    def state(self, name: str, state: str) -> AnyResponse:
        """Turn one policy on or off, or put it on trial; says first who would notice."""
        if state not in list(PolicyState):
            abort(404)
        try:
            draft = drafts.with_state(policies.document(), name, PolicyState(state))
        except NotFound:
            abort(404)
        form = PolicyForm.for_page(f"{name}:{state}")

        def turn(form: PolicyForm) -> None:
            confirmation = form.confirmation.data or ""
            policies.set_state(name, PolicyState(state), actor(), form.text, confirmation=confirmation)

        variables = {"name": name, "state": state, "hit": trials.hit_by(parse_policies(draft))}
        return self.change("policy_state.html", form, turn, lambda: variables)

    @expose("/template/<kind>", methods=["GET", "POST"])
    def template(self, kind: str) -> AnyResponse:
        """Add one of the specification's policies, on trial, without its author."""
        if kind not in TEMPLATES:
            abort(404)

        def add(_form: ReasonForm) -> None:
            policies.add_template(kind, actor(), actor())

        variables = {"kind": kind, "row": TEMPLATES[kind]}
        form = ReasonForm.for_page(f"template-{kind}")
        return self.change("policy_template.html", form, add, lambda: variables)

    @expose("/emergency", methods=["GET", "POST"])
    def emergency(self) -> AnyResponse:
        """Let every policy only report, or end that."""
        is_on = policies.current().emergency

        def switch(form: ReasonForm) -> None:
            policies.set_emergency(not is_on, actor(), form.text)

        form = ReasonForm.for_page(f"emergency-{is_on}")
        return self.change("policy_emergency.html", form, switch, lambda: {"is_on": is_on})

    @expose("/report")
    def report(self) -> Response:
        """What the policies on trial would have done."""
        asked = request.args.get("within", trials.USUAL)
        period = asked if asked in PERIODS else trials.USUAL
        return self.page("policy_report.html", rows=trials.report(period), period=period, periods=PERIODS)

    @expose("/what-if")
    def what_if(self) -> Response:
        """What would come of an imagined sign-in: the very evaluator that is live."""
        asked = {name: text for name, text in request.args.items() if text}
        answer, problem = None, None
        if asked:
            try:
                force = policies.current()
                answer = what_if(force, people.imagined(force, asked.get("user", ""), **_imagined(asked)))
            except ValueError as error:
                problem = str(error)
        levels = [level.label for level in RiskLevel]
        known: dict[str, Any] = {"levels": levels, "platforms": sorted(PLATFORMS)}
        return self.page("what_if.html", asked=asked, answer=answer, problem=problem, **known)


def _imagined(asked: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts that were named; what was left out is as things stand."""
    known: dict[str, Any] = {
        name: asked[name] for name in ("country", "platform", "ip_address") if name in asked
    }
    known |= {name: RiskLevel.parse(asked[name]) for name in RISKS if name in asked}
    known |= {
        name: YES_NO[asked[name]] for name in ("known_device", "registered") if asked.get(name) in YES_NO
    }
    if "groups" in asked:
        known["groups"] = frozenset(_names(asked["groups"]))
    if "accepted_terms" in asked:
        known["accepted_terms"] = tuple(map(AcceptedTerms, _names(asked["accepted_terms"])))
    return known | ({"client_id": asked["client_id"]} if "client_id" in asked else {})


def _names(text: str) -> list[str]:
    return [name for part in text.split(",") if (name := part.strip())]
