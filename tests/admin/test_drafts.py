"""C073, D21: policies that wait as drafts: kept, gone on with by others, compared, replayed, discarded, put into force."""

import pytest

from idprotect.models import AuditEvent, PolicyDraft, PolicyVersion
from tests.admin.conftest import Enter
from tests.admin.test_policies import REASON, in_force
from tests.security.place import Place, Visitor
from tests.support.filled import FilledForm
from tests.support.world import MFA_POLICY, SIGN_IN_RISK_POLICY, USER_RISK_POLICY

EDIT = "/admin/policies/edit"


def keep(visitor: Visitor, text: str, name: str = "Spring") -> Visitor:
    """Keep a text as a draft."""
    path, data = visitor.get(EDIT).form("draft")
    return visitor.go("POST", path, {**data, "draft": text, "draft_name": name, "put_aside": "1"})


def press(visitor: Visitor, button: str = "", **fields: str) -> Visitor:
    """Send the form of a draft as it stands, by one of its buttons; without one, put it into force."""
    form = FilledForm(visitor.page.text, "draft")
    return visitor.go("POST", form.action, form.values | fields | ({button: "1"} if button else {}))


def events(place: Place) -> list[tuple[str, str]]:
    """Return what was done about drafts, and by whom."""
    rows = place.rows(AuditEvent, AuditEvent.name.startswith("policy:draft_"))
    return [
        (row.name.removeprefix("policy:draft_"), row.actor) for row in sorted(rows, key=lambda row: row.id)
    ]


def stored(place: Place) -> PolicyDraft:
    """Return the one draft."""
    (draft,) = place.rows(PolicyDraft)
    return draft  # type: ignore[no-any-return]


def test_a_draft_is_kept_gone_on_with_by_another_and_put_into_force(place: Place, enter: Enter) -> None:
    """C073: with author and time; nothing is in force before somebody says so; then it leaves the shelf."""
    place.apply(USER_RISK_POLICY)
    first = keep(enter("policy_editor"), USER_RISK_POLICY + MFA_POLICY)
    assert first.path.startswith("/admin/drafts/")
    assert "always-mfa added" in first.text
    assert list(in_force(place)) == ["user-risk"]
    draft = stored(place)
    assert (draft.name, draft.revision, draft.based_on, draft.created_by) == (
        "Spring",
        1,
        1,
        "the-policy-editor",
    )
    other = enter().get("/admin/drafts/")
    assert "Spring" in other.text
    other.get(first.path)
    press(other, "put_aside", draft=USER_RISK_POLICY + SIGN_IN_RISK_POLICY)
    draft = stored(place)
    assert (draft.revision, draft.created_by, draft.saved_by) == (2, "the-policy-editor", "the-administrator")
    assert "sign-in-risk" in draft.text and "\r" not in draft.text
    assert "begun by the-policy-editor" in other.text
    assert "Please say why." in press(other).text
    press(other, reason=REASON)
    assert other.path == "/admin/policies/"
    assert list(in_force(place)) == ["user-risk", "sign-in-risk"]
    assert place.rows(PolicyDraft) == []
    assert events(place) == [
        ("saved", "the-policy-editor"),
        ("saved", "the-administrator"),
        ("applied", "the-administrator"),
    ]


def test_a_draft_may_break_the_rules_until_it_is_to_come_into_force(place: Place, enter: Enter) -> None:
    """C073, F047: it says what is missing; nothing that was typed is lost."""
    visitor = keep(enter(), '[[policy]]\nname = "half"\n')
    assert "Not ready yet" in visitor.text
    press(visitor, "put_aside", draft="no toml at all [")
    assert "This is no TOML" in visitor.text
    assert stored(place).text == "no toml at all [\n"
    assert press(visitor, "check").status == 400
    assert press(visitor, reason=REASON).status == 400
    assert place.rows(PolicyVersion) == []
    assert stored(place).revision == 2


def test_two_who_go_on_with_one_draft_overwrite_nothing_unseen(place: Place, enter: Enter) -> None:
    """C073: the later one sees what the other saved, keeps what was typed, and decides."""
    slow = keep(enter("policy_editor"), USER_RISK_POLICY)
    quick = enter().get(slow.path)
    press(quick, "put_aside", draft=MFA_POLICY)
    press(slow, "put_aside", draft=SIGN_IN_RISK_POLICY)
    assert slow.status == 409
    assert "somebody else saved this draft" in slow.text
    assert "saved by the-administrator" in slow.text
    assert "sign-in-risk" not in stored(place).text
    press(slow, "put_aside")
    assert slow.status == 200
    assert "sign-in-risk" in stored(place).text
    assert press(quick, "put_aside").status == 409


def test_what_was_typed_into_a_draft_that_is_gone_can_be_kept(place: Place, enter: Enter) -> None:
    """C073: somebody else discarded it meanwhile."""
    slow = keep(enter("policy_editor"), USER_RISK_POLICY)
    quick = enter().get(f"{slow.path}/discard")
    quick.submit({})
    assert "Please say why." in quick.text
    quick.submit({"reason": REASON})
    assert place.rows(PolicyDraft) == []
    assert events(place)[-1] == ("discarded", "the-administrator")
    press(slow, "put_aside", draft=MFA_POLICY)
    assert slow.status == 409
    assert "keep it under a new name" in slow.text
    press(slow, "put_aside", draft_name="Summer")
    assert stored(place).name == "Summer"
    assert slow.get("/admin/drafts/nothing").status == 404


def test_a_draft_is_compared_checked_and_replayed(place: Place, enter: Enter) -> None:
    """D01, F051: who would notice now, and which sign-ins of the last week would have gone otherwise."""
    place.make_user()
    place.apply(USER_RISK_POLICY)
    place.signed_in()
    visitor = keep(enter(), USER_RISK_POLICY + MFA_POLICY)
    press(visitor, "check")
    assert "people would notice" in visitor.text
    press(visitor, "replay")
    assert "would have gone otherwise" in visitor.text
    assert stored(place).revision == 1


def test_what_came_into_force_meanwhile_is_shown_before_a_draft_replaces_it(
    place: Place, enter: Enter
) -> None:
    """C073: a draft remembers which version it was made from."""
    place.apply(USER_RISK_POLICY)
    visitor = keep(enter(), SIGN_IN_RISK_POLICY)
    place.apply(MFA_POLICY)
    assert "not the newest" in visitor.copy().get("/admin/drafts/").text
    assert press(visitor, reason=REASON).status == 409
    assert "What changed meanwhile" in visitor.text
    press(visitor, reason=REASON)
    assert list(in_force(place)) == ["sign-in-risk"]


@pytest.mark.parametrize(
    ("page", "fields"),
    [
        ("/admin/policy/new", {"name": "everywhere", "require": "mfa"}),
        ("/admin/locations/new", {"name": "office", "networks": "192.0.2.0/24"}),
    ],
)
def test_what_the_forms_make_is_kept_as_a_draft_too(
    place: Place, enter: Enter, page: str, fields: dict[str, str]
) -> None:
    """C073: from the sentence, without ever seeing the text."""
    place.apply(USER_RISK_POLICY)
    visitor = enter("policy_editor").get(page)
    form = FilledForm(visitor.page.text, "name")
    aside = {"draft_name": "From a form", "put_aside": "1"}
    visitor.go("POST", form.action, form.values | fields | aside)
    assert f"{fields['name']} added" in visitor.text
    assert "user-risk" in stored(place).text


@pytest.mark.parametrize(("name", "word"), [("", "needs a name"), ("Spring", "of this name already")])
def test_a_draft_has_a_name_of_its_own(place: Place, enter: Enter, name: str, word: str) -> None:
    visitor = keep(enter(), USER_RISK_POLICY)
    keep(visitor, MFA_POLICY, name)
    assert visitor.status == 400
    assert word in visitor.text
    assert "always-mfa" in visitor.page.text, "what was typed is there still"
    assert len(place.rows(PolicyDraft)) == 1


def test_who_does_not_change_policies_sees_no_draft(place: Place, enter: Enter) -> None:
    """F102."""
    path = keep(enter(), USER_RISK_POLICY).path
    reader = enter("reader")
    assert [reader.get(page).status for page in ("/admin/drafts/", path, f"{path}/discard")] == [403] * 3
    assert "Drafts" not in reader.get("/admin/policies/").text


def test_hostile_names_and_texts_are_only_words(place: Place, enter: Enter) -> None:
    """A 1.2.1: in every page that shows them."""
    evil = "<script>alert(1)</script>"
    visitor = keep(enter(), f"{evil}\n</textarea>{evil}", evil)
    for page in (visitor.path, f"{visitor.path}/discard", "/admin/drafts/"):
        assert evil not in visitor.get(page).page.text
        assert "&lt;script&gt;" in visitor.page.text
