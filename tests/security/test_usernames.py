"""Section 5: one canonical user name for everything, and nobody whose name only looks like somebody's."""

import sys
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idprotect import usernames, users
from idprotect.errors import InteractionError, NotFound
from idprotect.models import AuditEvent, RiskDetection, SignIn, User, session
from idprotect.usernames import InvalidUsername, canonical, loose, skeleton
from tests.security.place import Place
from tests.support.world import TOR_ADDRESS

#: Every character that a name can be made of.
VISIBLE = [chr(n) for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n))[0] not in "CZ"]
VISIBLE = [c for c in VISIBLE if not set(unicodedata.normalize("NFKC", c)) & {" "}]

# The canonical form


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("Ada", "ada"),
        ("  ada\t\n", "ada"),
        ("ADA@Example.ORG", "ada@example.org"),
        ("ａｄａ", "ada"),
        ("Ångström", "ångström"),
        ("A\N{COMBINING RING ABOVE}ngstro\N{COMBINING DIAERESIS}m", "ångström"),
        ("STRASSE", "strasse"),
        ("straße", "strasse"),
        ("ﬁnn", "finn"),
        ("ΣΊΣΥΦΟΣ", "σίσυφοσ"),
        ("ada.lovelace-1815_x+tag", "ada.lovelace-1815_x+tag"),
        ("アダ", "アダ"),
        ("ｱﾀﾞ", "アダ"),
        ("x" * 256, "x" * 256),
    ],
)
def test_every_spelling_has_one_form(typed: str, stored: str) -> None:
    """Section 5, one canonical user name (A 1.1.1): normalised, folded, trimmed."""
    assert canonical(typed) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "two words",
        "no-break\N{NO-BREAK SPACE}space",
        "line\nbreak",
        "tab\there",
        "nul\0",
        "escape\x1b[31m",
        "delete\x7f",
        "next line\x85",
        "zero\N{ZERO WIDTH SPACE}width",
        "joiner\N{ZERO WIDTH JOINER}",
        "soft\N{SOFT HYPHEN}hyphen",
        "right\N{RIGHT-TO-LEFT OVERRIDE}left",
        "mark\N{ZERO WIDTH NO-BREAK SPACE}",
        "private\ue000use",
        "half\ud83d",
        "unassigned\U000e0080",
        "x" * 257,
        "\N{ARABIC LIGATURE SALLALLAHOU ALAYHE WASALLAM}" * 100,
        "x" * 10**6,
    ],
)
def test_names_that_cannot_be_seen_or_told_apart_are_refused(typed: str) -> None:
    """Section 5, control characters, separators, the invisible and the endless are no names (A 2.2.1)."""
    with pytest.raises(InvalidUsername):
        canonical(typed)
    assert len(loose(typed)) <= usernames.MAX_LENGTH
    assert loose(typed).isprintable(), "what cannot be a name can still be counted"


def test_the_form_of_a_form_is_itself() -> None:
    """Section 5: for every character there is; otherwise one person could have two names."""
    for character in VISIBLE:
        form = canonical(f"a{character}b")
        assert canonical(form) == form, hex(ord(character))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_case_and_composition_never_make_another_person(name: str) -> None:
    """Section 5, folding duplicates: however it is composed, the form is the same; and it is never longer than fits."""
    try:
        form = canonical(name)
    except InvalidUsername:
        return
    for spelling in (
        unicodedata.normalize("NFD", name),
        unicodedata.normalize("NFC", name),
        form,
        f" {form} ",
    ):
        assert canonical(spelling) == form
    assert len(form) <= usernames.MAX_LENGTH
    assert loose(name) == form


def test_a_skeleton_fits_where_it_is_stored() -> None:
    """Section 9, same on PostgreSQL and SQLite: no name that is accepted has a skeleton longer than its column."""
    for character in VISIBLE:
        form = canonical(character)
        assert len(skeleton(form)) <= len(form), hex(ord(character))


# Creation

LOOK_ALIKES = [
    "\N{CYRILLIC SMALL LETTER A}da",
    "ad\N{CYRILLIC SMALL LETTER A}",
    "\N{GREEK SMALL LETTER ALPHA}da",
    "a\N{CYRILLIC SMALL LETTER KOMI DE}a",
    "\N{LATIN SMALL LETTER ALPHA}da",
    "áda",
    "ada\N{COMBINING DOT BELOW}",
]


@pytest.mark.parametrize("name", ["ADA", "ａｄａ", " ada ", *LOOK_ALIKES])
def test_a_name_like_one_that_is_taken_is_refused(place: Place, name: str) -> None:
    """Section 5, look-alike and folding duplicates refused at creation; the refused one leaves nothing behind."""
    place.make_user("ada")
    with pytest.raises(InteractionError, match="looks like"):
        place.make_user(name)
    assert [user.username for user in place.rows(User)] == ["ada"]
    result = place.cli("user", "create", name)
    assert result.exit_code != 0
    assert "Traceback" not in result.output


@pytest.mark.parametrize("name", LOOK_ALIKES)
def test_a_look_alike_of_a_name_does_not_sign_in_as_it(place: Place, name: str) -> None:
    """Section 5: only the same name is the same person."""
    place.make_user("ada")
    assert place.browser().start().sign_in(name).step == "sign_in"


@pytest.mark.parametrize("typed", ["ada", "ADA", "  Ada ", "ａｄａ", "\tada"])
def test_a_person_may_spell_the_name_in_any_way(place: Place, typed: str) -> None:
    """Section 5, one user name for lookup, risk and audit: the row, the detection and the record are ada's."""
    user_id = place.make_user("Ada")
    place.list_address()
    assert place.browser(TOR_ADDRESS).start().sign_in(typed).step == "account"
    assert [row.user_id for row in place.rows(SignIn)] == [user_id]
    assert {row.user_id for row in place.rows(RiskDetection)} == {user_id}
    assert place.rows(AuditEvent, AuditEvent.name == "sign_in:succeeded")[0].actor == "ada"


@pytest.mark.parametrize(
    "typed", ["nul\0", "line\nbreak", "right\N{RIGHT-TO-LEFT OVERRIDE}left", "x" * 257, "\ufffd"]
)
def test_an_impossible_name_is_answered_like_any_wrong_one(place: Place, typed: str) -> None:
    """Section 9: no error of ours, and what was typed reaches no record."""
    visitor = place.browser().start().fail(typed)
    assert (visitor.step, visitor.status) == ("sign_in", 400)
    for where, value in place.values():
        assert typed not in value, where


def test_bytes_that_are_no_text_are_answered_like_any_wrong_name(place: Place) -> None:
    """Section 9, invalid UTF-8: 4xx, never 5xx."""
    visitor = place.browser().start()
    path, data = visitor.form("username")
    token = data["csrf_token"].encode()
    for raw in (b"\xff\xfe", b"%FF%FE", b"%00", b"%ED%A0%80", b"a%C0%80"):
        body = b"csrf_token=" + token.replace(b"#", b"%23") + b"&username=" + raw + b"&password=" + raw
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        assert visitor.send("POST", path, body, headers=form).response.status_code == 400


@pytest.mark.parametrize("name", ["", " ", "two words", "nul\0", "x" * 257, "zero\N{ZERO WIDTH SPACE}width"])
def test_an_impossible_name_cannot_be_created(place: Place, name: str) -> None:
    """Section 5: told what is wrong with it."""
    with pytest.raises(InteractionError, match="user name"):
        place.make_user(name)
    with place.app.app_context(), pytest.raises(NotFound):
        users.get(name)


def test_an_id_is_never_given_to_somebody_else(place: Place) -> None:
    """Section 5, ids never reused: who gets the name of somebody who left is another person to every application."""
    first = place.make_user("zoe")
    with place.arranging():
        session().delete(place.user("zoe"))
    second = place.make_user("zoe")
    assert first != second
    assert len(second) == 32
    assert "zoe" not in second
