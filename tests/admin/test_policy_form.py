"""One policy as a form that reads as a sentence: every condition and control, the rules beside their fields, a preview first."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from idprotect import policies
from idprotect.admin.entry_forms import LocationForm, OnePolicyForm
from idprotect.conditional_access import parse_policies
from idprotect.conditional_access.expressions import FACTS
from idprotect.conditional_access.policy import Control, PolicyState, Strength, Unregistered
from idprotect.models import AuditEvent, PolicyVersion, Receipt
from idprotect.risk import RiskLevel
from tests.admin.conftest import Enter
from tests.security.place import Place, Visitor
from tests.support.filled import FilledForm
from tests.support.world import MFA_POLICY, SIGN_IN_RISK_POLICY, USER_RISK_POLICY

REASON = "Agreed on Monday."
OFFICE = '[[location]]\nname = "office"\nnetworks = ["192.0.2.0/24"]\n'
EVERYTHING = (
    """
[[policy]]
name = "x"
title = "All at once"
state = "off"
who = { users = ["ada"], groups = ["staff", "two words"], roles = ["administrator"], exclude_users = ["eve"], exclude_groups = ["guests"], exclude_roles = ["reader"] }
clients = { include = ["notes", "bank"], exclude = ["wiki"] }
when = { user_risk = ["none", "low"], sign_in_risk = ["medium", "high"], locations = ["office"], exclude_locations = ["home"], countries = ["CH", "unknown"], exclude_countries = ["DE"], platforms = ["ios", "unknown"], scopes = ["payments"], known_device = false, registering = true, expression = "user_risk > sign_in_risk\\nor \\"a\\" in groups" }
then = { require = ["mfa"], strength = "phishing_resistant", unregistered = "register", sign_in_frequency = "8h" }
[[location]]
name = "home"
countries = ["CH"]
"""
    + OFFICE
)


def in_force(place: Place) -> dict[str, Any]:
    """Return the document in force."""
    with place.app.app_context():
        return policies.document()


def send(visitor: Visitor, /, button: str = "look", **typed: Any) -> Visitor:
    """Fill the form of the page, and press a button."""
    form = FilledForm(visitor.page.text, "name")
    data = form.values | typed | ({button: "1"} if button != "look" else {})
    return visitor.go("POST", form.action, data)


def put_into_force(visitor: Visitor, **typed: Any) -> Visitor:
    """Look at the consequences first, as the page has it, and then put it into force."""
    send(visitor, **typed)
    assert "What would come of it" in visitor.text, visitor.text
    return send(visitor, "save", reason=REASON)


def test_a_policy_is_made_by_a_form_and_reads_as_its_sentence(place: Place, enter: Enter) -> None:
    """F038, F040, D21: the form writes the same document as the file; it begins in report-only."""
    visitor = enter("policy_editor").get("/admin/policy/new")
    typed = {
        "name": "staff-at-risk",
        "groups": "staff\r\n\r\n interns \r\n",
        "exclude_users": "eve",
        "user_risk": ["medium", "high"],
        "require": ["mfa", "password_change"],
    }
    send(visitor, **typed)
    said = "When the group interns or the group staff but eve, whose risk is medium or high then ask for a second factor and ask for a new password."
    assert said in visitor.text
    assert in_force(place) == {}, "a preview changes nothing"
    send(visitor, "save", reason=REASON)
    assert visitor.path == "/admin/policies/"
    (row,) = in_force(place)["policy"]
    assert row == {
        "name": "staff-at-risk",
        "state": "report_only",
        "who": {"groups": ["staff", "interns"], "exclude_users": ["eve"]},
        "when": {"user_risk": ["medium", "high"]},
        "then": {"require": ["mfa", "password_change"]},
    }
    (event,) = place.rows(AuditEvent, AuditEvent.name == "policy:applied")
    assert (event.actor, event.details["note"]) == ("the-policy-editor", REASON)


def test_every_condition_and_control_comes_through_the_form_unchanged(place: Place, enter: Enter) -> None:
    """F054, F055, F057, F058, F060, C055 to C059, C062: what the file says, the form shows, and gives back."""
    place.apply(EVERYTHING)
    before = in_force(place)
    visitor = enter().get("/admin/policy/?name=x")
    assert "Unverified" in visitor.text, "F057"
    put_into_force(visitor, title="Another title")
    assert in_force(place)["policy"] == [before["policy"][0] | {"title": "Another title"}]
    assert in_force(place)["location"] == before["location"]


@pytest.mark.parametrize(
    ("typed", "field", "rule"),
    [
        (
            {"require": ["password_change"], "user_risk": ["high"]},
            "require",
            "whoever has the password could do it",
        ),
        ({"require": ["mfa", "password_change"]}, "user_risk", "it is the cure of a compromised user"),
        (
            {"require": ["mfa", "password_change"], "user_risk": ["high"], "include": "notes"},
            "include",
            "must hold for all clients",
        ),
        ({"require": ["block", "mfa"]}, "require", "block cannot be combined"),
        ({}, "require", "must name at least one of"),
        (
            {"require": ["mfa"], "skip_days": "3"},
            "skip_days",
            "belongs to a policy that requires registration",
        ),
        ({"require": ["registration"], "skip_days": "31"}, "skip_days", "from 0 to 30"),
        ({"require": ["registration"], "skip_days": "soon"}, "skip_days", "from 0 to 30"),
        ({"require": ["mfa"], "unregistered": "register"}, "unregistered", "a sign-in risk condition"),
        ({"require": ["block"], "strength": "phishing_resistant"}, "strength", "requires mfa"),
        ({"require": ["mfa"], "sign_in_frequency": "now and then"}, "sign_in_frequency", "every_time"),
        ({"require": ["mfa"], "countries": "Switzerland"}, "countries", "no choice"),
        ({"require": ["mfa"], "expression": "registerd"}, "expression", "did you mean"),
        ({"require": ["mfa"], "expression": "not (not"}, "expression", "character 9"),
        ({"require": ["mfa"], "expression": '"x" in locations'}, "expression", "no location is called"),
        ({"require": ["registration"], "expression": "registering"}, "expression", "cannot depend"),
        ({"require": ["mfa"], "name": "user-risk"}, "name", "two entries of kind policy"),
        ({"require": ["mfa"], "name": ""}, "name", "A name is needed"),
        ({"require": ["dance"]}, "require", "is not a valid choice"),
    ],
)
def test_a_rule_stands_beside_its_field_and_nothing_typed_is_lost(
    place: Place, enter: Enter, typed: dict[str, Any], field: str, rule: str
) -> None:
    """F047: a combination that is not valid is refused with the rule, where it was typed."""
    place.apply(USER_RISK_POLICY)
    visitor = enter("policy_editor").get("/admin/policy/new")
    send(visitor, **{"name": "new-one", "exclude_groups": "guests\r\nrobots", **typed})
    assert visitor.status == 400
    beside = visitor.page.text.partition(f'id="{field}-error"')[2].partition("</div>")[0]
    assert rule in beside, visitor.text
    kept = FilledForm(visitor.page.text, "name").values
    assert kept["exclude_groups"].split() == ["guests", "robots"]
    for name in typed.keys() - {"require"}:
        assert kept[name] == typed[name] or [kept[name]] == typed[name], name
    assert [row["name"] for row in in_force(place)["policy"]] == ["user-risk"]


def test_an_expression_is_written_in_the_form_and_read_in_the_sentence(place: Place, enter: Enter) -> None:
    """C063: with what it can name beside it; over several lines; people at the door and the receipt's page say the same."""
    visitor = enter("policy_editor").get("/admin/policy/new")
    for fact in FACTS.values():
        assert f"{fact.name} {fact.about} ({fact.kind})" in visitor.text
    typed = 'not registered\r\n  and ("staff" in groups or known_device)\r\n'
    send(visitor, name="by-expression", expression=typed, require=["block"], state="on")
    said = "When anybody, provided that not registered and (&#34;staff&#34; in groups or known_device) then stop the sign-in."
    assert said in visitor.text
    send(visitor, "save", reason=REASON)
    (row,) = in_force(place)["policy"]
    assert row["when"] == {"expression": 'not registered\n  and ("staff" in groups or known_device)'}
    visitor.get("/admin/policy/?name=by-expression")
    assert FilledForm(visitor.page.text, "name").values["expression"].split() == typed.split()
    place.make_user("ada")
    place.make_user("bob", groups=("staff",))
    assert place.browser().start().sign_in("bob").step == "block"
    assert place.browser().start().sign_in("ada").step == "account"
    with place.app.app_context():
        ada = place.user("ada").id
    receipt = place.rows(Receipt, Receipt.user_id == ada)[0]
    visitor.get(f"/admin/sign-ins/{receipt.sign_in_id}")
    assert "not met: expression not so: &#34;staff&#34; in groups , known_device" in visitor.text
    assert "the same answer" in visitor.text
    visitor.get("/admin/policies/what-if?user=ada")
    assert "known_device is not so: known_device is false" in visitor.text


def test_a_location_that_an_expression_names_is_used_by_its_policy(place: Place, enter: Enter) -> None:
    """C063, F055: so it cannot be removed."""
    when = "when = { expression = '\"office\" not in locations' }"
    place.apply(OFFICE, f'[[policy]]\nname = "elsewhere"\n{when}\nthen = {{ require = ["mfa"] }}\n')
    visitor = enter().get("/admin/locations/")
    assert "elsewhere" in visitor.text
    assert "no location is called" in visitor.get("/admin/locations/remove?name=office").text


def test_medium_without_high_is_warned_of_before_it_comes_into_force(place: Place, enter: Enter) -> None:
    """F041: choosing medium without high warns; one who saw it may do it."""
    visitor = enter().get("/admin/policy/new")
    send(visitor, name="odd", sign_in_risk=["medium"], require=["mfa"])
    assert "sign_in_risk names medium without high: the worse case is let through" in visitor.text
    send(visitor, "save", reason=REASON)
    assert [row["name"] for row in in_force(place)["policy"]] == ["odd"]


def test_nothing_comes_into_force_whose_consequences_were_not_seen(place: Place, enter: Enter) -> None:
    """F051, F065: the button counts for the draft that the page showed; who would notice stands beside it."""
    place.make_user("ada")
    place.apply(MFA_POLICY.replace('"on"', '"report_only"'))
    visitor = enter().get("/admin/policy/?name=always-mfa")
    send(visitor, "save", state="on", reason=REASON)
    assert visitor.status == 200
    assert "2 of 2 people would notice" in visitor.text
    assert "1 without a second factor" in visitor.text
    send(visitor, "save", state="on", title="Something else", reason=REASON)
    assert "would notice" in visitor.text, "another draft than was seen"
    assert in_force(place)["policy"][0]["state"] == "report_only"
    send(visitor, "save", reason="  ")
    assert visitor.status == 400
    assert "Please say why." in visitor.text
    send(visitor, "save", reason=REASON)
    assert in_force(place)["policy"][0] | {"then": {}} == {
        "name": "always-mfa",
        "title": "Something else",
        "state": "on",
        "then": {},
    }


def test_a_draft_is_replayed_from_the_form(place: Place, enter: Enter) -> None:
    """D01: which sign-ins would have gone otherwise, before anything changes."""
    place.make_user("ada", authenticators=("totp",))
    place.apply(USER_RISK_POLICY)
    place.signed_in("ada")
    visitor = enter().get("/admin/policy/new")
    send(visitor, "replay", name="all", require=["mfa"], state="on")
    assert "allowed → mfa required" in visitor.text


def test_a_policy_that_stops_everybody_is_asked_about_twice(place: Place, enter: Enter) -> None:
    """F064, D04: it needs the typed words; and one that locks every administrator out is refused."""
    visitor = enter("policy_editor").get("/admin/policy/new")
    send(
        visitor, name="closed", require=["block"], state="on", exclude_roles="administrator\r\npolicy_editor"
    )
    assert 'name="confirmation"' in visitor.page.text, "asked for with the consequences"
    send(visitor, "save", reason=REASON)
    assert visitor.status == 400
    assert "confirm by typing" in visitor.text
    assert REASON in visitor.text
    send(visitor, "save", reason=REASON, confirmation="block everyone")
    assert visitor.path == "/admin/policies/"
    visitor = enter().get("/admin/policy/?name=closed")
    send(visitor, exclude_roles="policy_editor", state="on")
    assert "every administrator would be locked out" in visitor.text
    assert in_force(place)["policy"][0]["who"]["exclude_roles"] == ["administrator", "policy_editor"]


@pytest.mark.parametrize("page", ["/admin/policy/?name=user-risk", "/admin/policies/edit"])
def test_what_changed_meanwhile_is_shown_and_not_overwritten(place: Place, enter: Enter, page: str) -> None:
    """Two people at once: the second is refused with a diff, keeps what they typed, and can send it again."""
    place.apply(USER_RISK_POLICY)
    visitor = enter().get(page)
    if page.endswith("edit"):
        form = FilledForm(visitor.page.text, "draft")
        typed = {"draft": USER_RISK_POLICY.replace("on", "off", 1), "reason": REASON}
    else:
        form = FilledForm(visitor.page.text, "name")
        typed = {"title": "Mine", "reason": REASON, "save": "1"}
    place.apply(USER_RISK_POLICY, SIGN_IN_RISK_POLICY)
    visitor.go("POST", form.action, form.values | typed)
    assert visitor.status == 409
    assert "somebody else changed the policies meanwhile" in visitor.text
    assert '<span class="added">+name = &#34;sign-in-risk&#34;' in visitor.page.text
    assert len(place.rows(PolicyVersion)) == 2
    if not page.endswith("edit"):
        send(visitor)
        send(visitor, "save", reason=REASON)
        found = in_force(place)["policy"]
        assert [row.get("title") for row in found][0] == "Mine"
        assert [row["name"] for row in found] == ["user-risk", "sign-in-risk"], "theirs is still there"


def test_a_form_that_lies_about_its_version_changes_nothing(place: Place, enter: Enter) -> None:
    """What a browser sends is not believed."""
    place.apply(USER_RISK_POLICY)
    for based_on in ("7", "99999999999999999999", "-1", "x", ""):
        visitor = enter().get("/admin/policy/?name=user-risk")
        send(visitor, "save", based_on=based_on, reason=REASON)
        assert visitor.status in (400, 409), based_on
    assert len(place.rows(PolicyVersion)) == 1


@pytest.mark.parametrize("kind", ["user-risk", "sign-in-risk", "mfa-registration"])
def test_a_template_fills_the_form(place: Place, enter: Enter, kind: str) -> None:
    """F062, C075: in report-only, with its author left out."""
    visitor = enter("policy_editor").get(f"/admin/policy/new?template={kind}")
    put_into_force(visitor)
    (row,) = in_force(place)["policy"]
    assert (row["name"], row["state"]) == (kind, "report_only")
    assert row["who"] == {"exclude_users": ["the-policy-editor"]}


def test_a_policy_is_removed_after_saying_who_would_notice(place: Place, enter: Enter) -> None:
    """C073: its version stays; one that a test names cannot go."""
    place.apply(MFA_POLICY)
    visitor = enter().get("/admin/policy/remove?name=always-mfa")
    assert "would notice" in visitor.text
    visitor.submit({"reason": REASON})
    assert in_force(place)["policy"] == []
    test = '[[test]]\nname = "t"\nexpect = "mfa_required"\nfacts = { registered = true }\npolicies = { always-mfa = "mfa_required" }'
    place.apply(MFA_POLICY, test)
    assert "no policy is called" in visitor.get("/admin/policy/remove?name=always-mfa").text
    for path in ("/admin/policy/?name=gone", "/admin/policy/remove", "/admin/locations/remove?name=x"):
        assert visitor.get(path).status == 404


def test_hostile_names_are_only_words(place: Place, enter: Enter) -> None:
    """Stored XSS: what somebody typed into any field stands on every page as text."""
    bad = "<script>alert(1)</script>\"'&"
    visitor = enter()
    put_into_force(visitor.get("/admin/locations/new"), name=bad, networks="192.0.2.0/24")
    put_into_force(
        visitor.get("/admin/policy/new"),
        **dict.fromkeys(("name", "title", "users", "exclude_groups", "include", "scopes"), bad),
        locations=[bad],
        require=["mfa"],
    )
    with place.app.test_request_context(base_url=place.url):
        from flask import url_for

        pages = [
            *("/admin/policies/", "/admin/locations/", "/admin/policies/versions/2", "/admin/policies/edit"),
            *("/admin/policies/what-if?user=x", "/admin/policies/report"),
            *(
                url_for(f"idprotect_admin_{view}", name=bad, _external=False)
                for view in ("policy.index", "policy.remove", "locations.one", "locations.remove")
            ),
        ]
    for page in pages:
        visitor.get(page)
        assert visitor.status == 200, page
        assert "<script>alert" not in visitor.page.text, page


# The form and the document, whatever stands in them


def subsets(members: Any) -> st.SearchStrategy[list[str]]:
    """Draw some members."""
    return st.lists(st.sampled_from([str(member) for member in members]), min_size=1, unique=True)


NAMES = st.lists(
    st.from_regex(r"[A-Za-z0-9:.@]([A-Za-z0-9:.@ -]{0,8}[a-z0-9])?", fullmatch=True),
    min_size=1,
    max_size=3,
    unique=True,
)
LEVELS = subsets(level.label for level in RiskLevel)
ROWS = st.fixed_dictionaries(
    {"name": st.just("x"), "state": st.sampled_from([str(state) for state in PolicyState])},
    optional={
        "title": st.text("abc <>&\"'", min_size=1, max_size=9).map(str.strip).filter(bool),
        "who": st.fixed_dictionaries({}, optional=dict.fromkeys(OnePolicyForm.tables["who"], NAMES)),
        "clients": st.fixed_dictionaries({}, optional={"include": NAMES, "exclude": NAMES}),
        "when": st.fixed_dictionaries(
            {},
            optional={
                "user_risk": LEVELS,
                "sign_in_risk": LEVELS,
                "countries": subsets(["CH", "DE", "unknown"]),
                "exclude_countries": subsets(["FR", "unknown"]),
                "platforms": subsets(["ios", "unknown"]),
                "scopes": subsets(["payments", "openid"]),
                "known_device": st.booleans(),
                "registering": st.just(True),
                "expression": st.sampled_from(
                    ["known_device", "not known_device\n  or registered", 'matches(groups, "<&\'>*")']
                ),
            },
        ),
        "then": st.fixed_dictionaries(
            {"require": subsets(Control)},
            optional={
                "strength": st.just(str(Strength.PHISHING_RESISTANT)),
                "unregistered": st.just(str(Unregistered.REGISTER)),
                "skip_days": st.integers(0, 30),
                "sign_in_frequency": st.sampled_from(["every_time", "30m", "8h", "7d"]),
                "terms_of_use": subsets(["rules", "two words"]),
            },
        ),
    },
)


def form_of(kind: type[Any], sent: Any = None) -> Any:
    """Return a form outside of any page."""
    form = kind(sent, meta={"csrf": False})
    if hasattr(form, "offer"):
        form.offer([], ["rules", "two words"])
    return form


@given(ROWS)
def test_whatever_a_policy_says_the_form_shows_and_gives_back(row: dict[str, Any]) -> None:
    """D21: file and form are two views of one document: shown, sent as a browser does, and read, it is the same."""
    shown = form_of(OnePolicyForm)
    shown.fill(row)
    assert plain(form_of(OnePolicyForm, sent(shown)).row()) == plain(row)


@given(
    st.fixed_dictionaries(
        {"name": st.just("x")},
        optional={
            "networks": st.lists(st.ip_addresses().map(str), min_size=1, max_size=4, unique=True),
            "countries": subsets(["CH", "unknown"]),
            "trusted": st.just(True),
        },
    )
)
def test_whatever_a_location_says_the_form_shows_and_gives_back(row: dict[str, Any]) -> None:
    """F055: the same for a named location."""
    shown = form_of(LocationForm)
    shown.fill(row)
    assert plain(form_of(LocationForm, sent(shown)).row()) == plain(row)


def sent(form: Any) -> MultiDict[str, str]:
    """Return what a browser would send of a form, from its HTML."""
    html = "".join(str(field) for field in form)
    data: MultiDict[str, str] = MultiDict()
    for name, value in FilledForm(f"<form>{html}</form>", "name").values.items():
        data.setlist(name, value if isinstance(value, list) else [value])
    for field in form:
        if field.type in ("SelectMultipleField", "RadioField"):
            data.setlist(field.name, [value for value, _, chosen, _ in field.iter_choices() if chosen])
    return data


def plain(row: dict[str, Any]) -> Any:
    """Return an entry without tables in which nothing stands, and without the order of what is a set."""
    return {
        key: sorted(value) if isinstance(value, list) else plain(value) if isinstance(value, dict) else value
        for key, value in row.items()
        if value not in ({}, [])
    }


def test_the_document_is_read_by_the_same_reader(place: Place) -> None:
    """The example above names everything that a policy can say: a key that is new has to come into the form."""
    from idprotect.conditional_access import document

    (row,) = tomllib.loads(EVERYTHING)["policy"]
    fields = {name for names in OnePolicyForm.tables.values() for name in names}
    assert fields >= document._WHEN_KEYS
    assert document._THEN_KEYS - {"persistent_browser"} <= fields
    assert {*row["who"], *row["clients"], *row["when"], *row["then"]} | {
        "name",
        "title",
        "state",
        "skip_days",
        "terms_of_use",
    } == fields
    assert parse_policies(tomllib.loads(EVERYTHING)).policies
