"""Policies: those in force, their versions, an editor over their text, and what-if. Every rule is that of the file."""

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from idprotect import people, policies, users
from idprotect.admin import door, sentences, trials
from idprotect.admin.view import ConsoleView, expose
from idprotect.conditional_access import PolicySet, PolicyState, parse_policies
from idprotect.conditional_access.toml import to_toml
from idprotect.errors import InteractionError, NotFound, PolicyError
from idprotect.forms import DraftForm, PolicyForm, ReasonForm
from idprotect.insights import differences
from idprotect.insights.guards import CONFIRMATION
from idprotect.insights.impact import Impact, impact
from idprotect.insights.templates import TEMPLATES
from idprotect.insights.what_if import what_if
from idprotect.lists.listing import PERIODS
from idprotect.models import session
from idprotect.risk import RiskLevel

#: For more people the command line says whom a draft would hit: it takes its time.
MOST_PEOPLE = 5_000
YES_NO = {"yes": True, "no": False}


class PoliciesView(ConsoleView):
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
        stored = _stored(version)
        before = _stored(version - 1).document if version > 1 else {}
        form = PolicyForm.for_page(f"roll-back-{version}")

        def roll_back(form: PolicyForm) -> None:
            policies.roll_back(_actor(), version, form.text, confirmation=form.confirmation.data or "")

        variables = {
            "stored": stored,
            "is_newest": version == policies.newest_version(),
            "changes": differences.by_name(before, stored.document),
            "diff": differences.unified(
                before, stored.document, f"version {version - 1}", f"version {version}"
            ),
            "text": to_toml(stored.document),
        }
        may_change = door.may("policies.edit")
        return self._change("policy_version.html", form, roll_back, lambda: variables, may_change)

    @expose("/edit", methods=["GET", "POST"])
    def edit(self) -> AnyResponse:
        """The text of the policies; checked as often as one likes before it comes into force."""
        form = DraftForm.for_page("policies")
        if request.method == "GET":
            form.draft.data = to_toml(policies.document())
        checked: dict[str, Any] = {}

        def put_into_force(form: DraftForm) -> None:
            draft = _parsed(form.draft.data or "")
            if "check" in request.form or "replay" in request.form:
                checked.update(_checked(draft, form.confirmation.data or ""))
                if "replay" in request.form:
                    checked.update(is_replayed=True, replayed=trials.replayed(parse_policies(draft)))
                raise _OnlyChecked
            policies.apply(draft, _actor(), form.text, confirmation=form.confirmation.data or "")

        return self._change("policy_edit.html", form, put_into_force, lambda: {"checked": checked}, True)

    @expose("/state/<name>/<state>", methods=["GET", "POST"])
    def state(self, name: str, state: str) -> AnyResponse:
        """Turn one policy on or off, or put it on trial; says first who would notice."""
        if state not in list(PolicyState):
            abort(404)
        try:
            draft = policies.with_state(policies.document(), name, PolicyState(state))
        except NotFound:
            abort(404)
        form = PolicyForm.for_page(f"{name}:{state}")

        def turn(form: PolicyForm) -> None:
            confirmation = form.confirmation.data or ""
            policies.set_state(name, PolicyState(state), _actor(), form.text, confirmation=confirmation)

        variables = {"name": name, "state": state, "hit": _impact(parse_policies(draft))}
        return self._change("policy_state.html", form, turn, lambda: variables, True)

    @expose("/template/<kind>", methods=["GET", "POST"])
    def template(self, kind: str) -> AnyResponse:
        """Add one of the specification's policies, on trial, without its author."""
        if kind not in TEMPLATES:
            abort(404)

        def add(_form: ReasonForm) -> None:
            policies.add_template(kind, _actor(), _actor())

        variables = {"kind": kind, "row": TEMPLATES[kind]}
        form = ReasonForm.for_page(f"template-{kind}")
        return self._change("policy_template.html", form, add, lambda: variables, True)

    @expose("/emergency", methods=["GET", "POST"])
    def emergency(self) -> AnyResponse:
        """Let every policy only report, or end that."""
        is_on = policies.current().emergency

        def switch(form: ReasonForm) -> None:
            policies.set_emergency(not is_on, _actor(), form.text)

        form = ReasonForm.for_page(f"emergency-{is_on}")
        return self._change("policy_emergency.html", form, switch, lambda: {"is_on": is_on}, True)

    @expose("/report")
    def report(self) -> Response:
        """What the policies on trial would have done."""
        within = request.args.get("within", trials.USUAL)
        return self.page("policy_report.html", rows=trials.report(within), within=within, periods=PERIODS)

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
        return self.page("what_if.html", asked=asked, answer=answer, problem=problem, levels=levels)

    def _change(
        self,
        template: str,
        form: Any,
        change: Callable[[Any], None],
        variables: Callable[[], Mapping[str, Any]],
        may_change: bool,
    ) -> AnyResponse:
        """Show a form that changes what is in force, or carry it out; a fresh factor is asked for before that."""
        here, status = request.path, 200
        if request.method == "POST" and not may_change:
            return door.refuse("policies.edit")
        if may_change and request.method == "GET" and (stale := door.ask_for_fresh_factor(here)) is not None:
            return stale
        if request.method == "POST":
            try:
                _check_fresh()
                form.check()
                change(form)
                session().commit()
                return redirect(url_for(f"{self.endpoint}.index"), 303)
            except _OnlyChecked:
                session().rollback()
            except PolicyError as error:
                session().rollback()
                form.form_errors, status = [*form.form_errors, *error.problems], 400
            except InteractionError as error:
                session().rollback()
                form.refuse(error)
                status = 400
        response = self.page(
            template, form=form, may_change=may_change, confirmation=CONFIRMATION, **variables()
        )
        response.status_code = status
        return response


class _OnlyChecked(Exception):
    """The draft is good, and was not to be put into force."""


def _check_fresh() -> None:
    """Keep what was typed when the factor is not fresh any more: the page stays, and says where to prove it."""
    if not door.is_fresh():
        raise InteractionError(
            "Please confirm that it is you: open this page in another tab, and then send this one again."
        )


def _actor() -> str:
    return door.person().user.username


def _stored(version: int) -> Any:
    try:
        return policies.stored(version)
    except (NotFound, OverflowError):
        abort(404)


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyError([f"This is no TOML: {error}"]) from None


def _checked(draft: dict[str, Any], confirmation: str) -> dict[str, Any]:
    """Return what would come of a draft."""
    good = policies.check(draft, confirmation)
    return {
        "changes": differences.by_name(policies.document(), draft),
        "warnings": good.warnings,
        "tests": len(good.tests),
        "hit": _impact(good),
    }


def _impact(after: PolicySet) -> Impact | None:
    """Return who would notice at an ordinary sign-in now; None where there are too many people to wait for it."""
    if users.count() > MOST_PEOPLE:
        return None
    return impact(policies.current(), after, people.everybody(after))


def _imagined(asked: Mapping[str, str]) -> dict[str, Any]:
    """Return the facts that were named; what was left out is as things stand."""
    known: dict[str, Any] = {
        name: asked[name] for name in ("country", "platform", "ip_address") if name in asked
    }
    known |= {name: RiskLevel.parse(asked[name]) for name in ("sign_in_risk", "user_risk") if name in asked}
    known |= {
        name: YES_NO[asked[name]] for name in ("known_device", "registered") if asked.get(name) in YES_NO
    }
    if "groups" in asked:
        known["groups"] = frozenset(part.strip() for part in asked["groups"].split(",") if part.strip())
    return known | ({"client_id": asked["client_id"]} if "client_id" in asked else {})
