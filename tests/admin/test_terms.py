"""C068: terms of use in the console: made, looked at, published, removed; who accepted them, also as a file."""

import csv
import io
import json
from typing import Any

import pytest

from idprotect.models import AuditEvent, PolicyVersion, Terms, TermsAcceptance, TermsVersion
from tests.admin.conftest import Enter
from tests.admin.test_policy_form import REASON, in_force, put_into_force
from tests.security.place import Place, Visitor
from tests.support.filled import FilledForm
from tests.terms.rules import POLICY, TEXT, events, make_terms, publish

RULES: dict[str, Any] = {"title": "The rules", "wording": TEXT}


def send(visitor: Visitor, button: str = "", **typed: Any) -> Visitor:
    """Fill the form of the page, and press a button."""
    form = FilledForm(visitor.page.text, "reason")
    data = {**form.values, "reason": REASON, **typed}
    return visitor.go(
        "POST",
        form.action,
        {n: v for n, v in data.items() if v is not None} | ({button: "1"} if button else {}),
    )


def test_terms_are_made_and_asked_for_by_a_policy(place: Place, enter: Enter) -> None:
    """C068: looked at before they are made; the policy's form offers them, and its sentence names them."""
    visitor = enter("policy_editor").get("/admin/terms/new")
    send(visitor, "check", name="rules", valid_days="30", **RULES, reason="")
    assert "How it looks" in visitor.text
    assert "<h3>What this is</h3>" in visitor.page.text
    assert "<script>alert" not in visitor.page.text
    assert place.rows(Terms) == []
    send(visitor)
    assert visitor.path == "/admin/terms/rules"
    (row,) = place.rows(Terms)
    assert (row.name, row.version, row.valid_days) == ("rules", 1, 30)
    (event,) = place.rows(AuditEvent, AuditEvent.name == "terms:created")
    assert (event.actor, event.details["note"]) == ("the-policy-editor", REASON)
    put_into_force(
        visitor.get("/admin/policy/new"), name="house", terms_of_use=["rules"], state="report_only"
    )
    assert in_force(place)["policy"] == [
        {"name": "house", "state": "report_only", "then": {"terms_of_use": ["rules"]}}
    ]
    assert "have them accept the terms rules" in visitor.text
    assert "Asked for by house." in visitor.get("/admin/terms/").text
    assert "terms_of_use" in visitor.get("/admin/policies/policies.toml").page.text


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"name": "Rules"}, "name", "small letters"),
        ({"name": ""}, "name", "A name is needed"),
        ({"name": "taken"}, "name", "of this name already"),
        ({"title": " "}, "title", "A title of at most 200"),
        ({"title": "x" * 201}, "title", "longer than"),
        ({"wording": " \r\n "}, "wording", "text is needed"),
        ({"wording": "bell \x07"}, "wording", "cannot be shown"),
        ({"valid_days": "0"}, "valid_days", "1 to 3650"),
        ({"valid_days": "soon"}, "valid_days", "whole number"),
        ({"reason": " "}, "", "say why"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    place: Place, enter: Enter, typed: dict[str, str], field: str, said: str
) -> None:
    """C068: nothing typed is lost, and nothing is made."""
    make_terms(place, "taken")
    visitor = enter().get("/admin/terms/new")
    send(visitor, **{"name": "rules", **RULES, **typed})
    assert visitor.status == 400
    beside = (
        visitor.page.text.partition(f'id="{field}-error"')[2].partition("</div>")[0]
        if field
        else visitor.text
    )
    assert said in beside, visitor.text
    assert "Be kind." in visitor.page.text or "wording" in typed
    assert [row.name for row in place.rows(Terms)] == ["taken"]


def test_a_version_is_published_and_the_former_ones_stay(place: Place, enter: Enter) -> None:
    """C068: asks again unless that is unticked; with who, when, why; every version can be read."""
    make_terms(place)
    visitor = enter()
    send(visitor.get("/admin/terms/rules/change"), wording="Be kinder.", asks_again="y")
    send(visitor.get("/admin/terms/rules/change"), wording="Be kinder!", asks_again=None)
    assert [(row.version, row.text, row.asks_again) for row in place.rows(TermsVersion)] == [
        (1, TEXT, True),
        (2, "Be kinder.\n", True),
        (3, "Be kinder!\n", False),
    ]
    assert place.rows(Terms)[0].required == 2
    assert "version 2 or a newer one" in visitor.text
    assert "What this is" in visitor.get("/admin/terms/rules?version=1").text
    for nowhere in ("rules?version=9", "rules?version=99999999999999999999", "others", "others/change"):
        assert visitor.get(f"/admin/terms/{nowhere}").status == 404
    refused = send(visitor.get("/admin/terms/rules/change"))
    assert (refused.status, "Nothing was changed" in refused.text) == (400, True)
    send(visitor.get("/admin/terms/rules/change"), valid_days="7")
    assert place.rows(Terms)[0].valid_days == 7
    assert events(place, "terms:changed") == [{"terms": "rules", "before": None, "after": 7, "note": REASON}]


def test_what_somebody_else_published_is_shown_before_it_is_overwritten(place: Place, enter: Enter) -> None:
    """C068: nobody's version goes by unseen."""
    make_terms(place)
    visitor = enter().get("/admin/terms/rules/change")
    publish(place, "Theirs.")
    send(visitor, wording="Mine.", asks_again="y")
    assert visitor.status == 400
    assert "Somebody else published a version meanwhile" in visitor.text
    assert "-Theirs." in visitor.text
    assert "+Mine." in visitor.text
    assert len(place.rows(TermsVersion)) == 2
    send(visitor)
    assert [row.text for row in place.rows(TermsVersion)][-1] == "Mine.\n"


def test_what_a_policy_asks_for_is_not_removed(place: Place, enter: Enter) -> None:
    """C068: removed with everything that was accepted, once no policy asks for it."""
    make_terms(place)
    place.make_user()
    visitor = enter()
    place.apply(POLICY)
    place.browser().start().sign_in().submit(button="accept")
    assert visitor.get("/admin/").step == "terms_of_use", "the console is an application, too"
    visitor.submit(button="accept")
    assert "The policy house-rules asks for it." in visitor.get("/admin/terms/rules/remove").text
    assert 'name="reason"' not in visitor.page.text
    place.apply(POLICY.replace('"on"', '"off"'))
    visitor.get("/admin/terms/rules/remove")
    place.apply("")
    visitor.get("/admin/terms/rules/remove")
    assert "2 people" in visitor.text
    place.apply(POLICY)
    send(visitor)
    assert (visitor.status, "asked for by house-rules" in visitor.text) == (400, True)
    assert len(place.rows(TermsAcceptance)) == 2
    place.apply("")
    send(visitor.get("/admin/terms/rules/remove"))
    assert visitor.path == "/admin/terms/"
    assert place.rows(Terms) == place.rows(TermsVersion) == place.rows(TermsAcceptance) == []
    assert len(place.rows(PolicyVersion)) == 5


def test_who_accepted_what_is_listed_and_taken_as_a_file(place: Place, enter: Enter) -> None:
    """C068: filters, both kinds of file, the person's page; and that a file was taken is written down."""
    make_terms(place)
    for name in ("ada", "bob"):
        place.make_user(name)
    place.apply(POLICY.replace("then", 'who = { users = ["ada", "bob"] }\nthen'))
    for name in ("ada", "bob"):
        assert place.browser().start().sign_in(name).submit(button="accept").step == "account"
    publish(place)
    place.browser().start().sign_in("ada").submit(button="accept")
    visitor = enter("reader")
    visitor.get("/admin/acceptances/?terms=rules&version=1")
    assert visitor.text.count("2 rows") == 1
    visitor.get("/admin/acceptances/?user=ada")
    assert "bob" not in visitor.page.text.partition("<table")[2]
    assert "Nothing is like that" in visitor.get("/admin/acceptances/?version=x").text
    visitor.get("/admin/acceptances/export.csv?user=ada")
    rows = list(csv.DictReader(io.StringIO(visitor.page.text)))
    assert [(row["user"], row["terms"], row["version"]) for row in rows] == [
        ("ada", "rules", "2"),
        ("ada", "rules", "1"),
    ]
    visitor.get("/admin/acceptances/export.json?version=2")
    (row,) = json.loads(visitor.page.text)
    assert (row["user"], row["version"], row["client_id"]) == ("ada", 2, "idprotect-account")
    assert len(events(place, "console:exported")) == 2
    user_id = place.read(lambda user: user.id)
    page = visitor.get(f"/admin/users/{user_id}").text
    assert "The rules of the house version 2" in page
    assert "accepted by 2 people" in visitor.get("/admin/terms/").text.lower()


def test_roles_decide_who_reads_and_who_writes(place: Place, enter: Enter) -> None:
    """C068: readers read, policy editors write, the help desk sees neither; refusals are written down."""
    make_terms(place)
    reading = ("/admin/terms/", "/admin/terms/rules", "/admin/acceptances/")
    writing = ("/admin/terms/new", "/admin/terms/rules/change", "/admin/terms/rules/remove")
    for role, reads, writes in (
        ("reader", 200, 403),
        ("operator", 200, 403),
        ("help_desk", 403, 403),
        ("policy_editor", 200, 200),
    ):
        visitor = enter(role)
        assert {visitor.get(path).status for path in reading} == {reads}, role
        assert {visitor.get(path).status for path in writing} == {writes}, role
    refused = place.rows(AuditEvent, AuditEvent.name == "console:refused")
    assert {row.actor for row in refused} == {"the-reader", "the-operator", "the-help-desk"}


def test_what_if_is_asked_about_terms(place: Place, enter: Enter) -> None:
    """C068, F061: as things stand, or as they would be."""
    make_terms(place)
    place.make_user()
    place.apply(POLICY.replace("then", 'who = { users = ["ada"] }\nthen'))
    visitor = enter("reader")
    assert "Terms required" in visitor.get("/admin/policies/what-if?user=ada").text
    assert "Allowed" in visitor.get("/admin/policies/what-if?user=ada&accepted_terms=rules,+other").text
