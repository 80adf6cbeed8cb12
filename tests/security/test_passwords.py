"""Section 5: which passwords are taken, how they are kept, what a change of one ends."""

import re
import threading
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path

import argon2
import pytest
from sqlalchemy import select

from idprotect import passwords as passwords_module
from idprotect import users
from idprotect.errors import InteractionError, TooManyAttempts
from idprotect.models import AuditEvent, Challenge, Device, SignIn, User, session
from idprotect.passwords import Passwords
from idprotect.settings import Settings
from tests.security.place import Application, Place, Visitor
from tests.support import PROJECT
from tests.support.world import MFA_POLICY, OTHER_ADDRESS, PASSWORD, USER_RISK_POLICY

NEW_PASSWORD = "eleven loud gulls under tin"
CHEAP = {"time_cost": 1, "memory_kib": 64, "parallelism": 1}


def change(visitor: Visitor, new: str, current: str = PASSWORD) -> Visitor:
    """Change the password because one wants to."""
    return visitor.get("/account/password").submit({"current": current, "new": new, "confirm": new})


def stored(place: Place, username: str = "ada") -> str:
    """Return the hash as it stands in the database."""
    return str(place.read(lambda user: user.password_hash, username))


def signs_in(place: Place, password: str, username: str = "ada") -> bool:
    """Whether somebody gets in with a password."""
    return place.browser().start().sign_in(username, password).step == "account"


# Which are taken


@pytest.mark.parametrize(
    "password",
    [
        "correct moth 15",
        "a passphrase of sixty-four characters, which is a good long one.",
        "lang, läng, ﾊﾝｸﾞﾙ 한국어 ελληνικά кириллица עברית 🐙🐙🐙",
        "   spaces   before, between and after   ",
        "no-digits-no-capitals-no-signs",
        "'; DROP TABLE users; -- <script>&amp;%00",
        "tab\tand\nline break in a password",
        "\N{OCTOPUS}" * 3 + "x" * 3 + "quiet herons, slate" * 40,
    ],
)
def test_any_characters_are_taken_and_every_one_counts(place: Place, password: str) -> None:
    """Section 5, at least 64 allowed, any character, no composition rules, no truncation (N 3.1.1.2, A 6.2.x)."""
    place.make_user()
    assert change(place.signed_in(), password).step == "account"
    for almost in (password[:-1], password.strip() + "x", password.swapcase() + " ", password[1:]):
        assert not signs_in(place, almost)
        place.clock.move(hours=1)
    assert signs_in(place, password)


def test_the_minimum_is_fifteen_characters_and_can_be_set(make_a_place: Callable[..., Place]) -> None:
    """Section 5, minimum 15; characters, not bytes."""
    place = make_a_place()
    place.make_user()
    visitor = place.signed_in()
    for short in ("fourteen moths", "\N{OCTOPUS}" * 7 + "moths!x"):
        assert len(short) == 14
        assert change(visitor, short).status == 400
        assert "15 characters" in visitor.text
    longer = make_a_place(IDPROTECT_PASSWORD_MIN_LENGTH=20)
    longer.make_user()
    assert change(longer.signed_in(), "nineteen moths here").status == 400


def test_a_password_of_1024_bytes_is_taken_and_one_more_is_not(place: Place) -> None:
    """Section 5, cap 1024 bytes: told, not cut off; the last byte counts."""
    place.make_user()
    visitor = place.signed_in()
    full = ("quiet herons over slate, " * 50)[:1022] + "é"
    assert len(full.encode()) == 1024
    assert change(visitor, full + "x").status == 400
    assert change(visitor, full[:-1] + "é" * 2).status == 400
    assert change(visitor, full).step == "account", visitor.text
    assert not signs_in(place, full[:-1] + "e\N{COMBINING GRAVE ACCENT}")
    assert not signs_in(place, full + "x")
    assert signs_in(place, full)


@pytest.mark.parametrize("size", [1025, 5_000, 30_000])
def test_nothing_long_ever_reaches_the_hash(place: Place, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Section 5, length checked before hashing (A 15.2.2): at sign-in, as current and as new password."""
    place.make_user()
    visitor = place.signed_in()
    hashed: list[int] = []
    real = Passwords._keyed

    def keyed(self: Passwords, password: str) -> str:
        hashed.append(len(password))
        return real(self, password)

    monkeypatch.setattr(Passwords, "_keyed", keyed)
    began = time.thread_time()
    assert change(visitor, "x" * size).status == 400
    assert change(visitor, NEW_PASSWORD, current="x" * size).status == 400
    assert place.browser().start().sign_in(password="x" * size).status == 400
    assert [length for length in hashed if length > 1024] == []
    assert time.thread_time() - began < 1.5


def test_what_is_hashed_is_bounded_even_when_nobody_looked(place: Place) -> None:
    """Section 5: the last lock before the hash: a keyed hash makes everything 64 characters long."""
    hasher = place.app.extensions["idprotect"].passwords
    assert len(hasher._keyed("x" * 10**6)) == 64
    assert hasher._keyed("x" * 1025) != hasher._keyed("x" * 1024)


def test_one_password_has_one_form(place: Place) -> None:
    """Section 5, NFC: the same characters from another keyboard are the same password."""
    composed = "façade über naïve Ångström"
    place.make_user(password=composed)
    decomposed = unicodedata.normalize("NFD", composed)
    assert decomposed != composed
    assert signs_in(place, decomposed)
    assert signs_in(place, composed)
    assert change(place.signed_in(password=composed), decomposed, current=decomposed).status == 400, (
        "the same"
    )


def test_a_compatible_character_is_another_password(place: Place) -> None:
    """Section 5, NFC, not NFKC: what looks different stays different."""
    place.make_user(password="the fi ligature is one letter")
    assert not signs_in(place, "the ﬁ ligature is one letter")


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("correct horse battery staple", "attackers"),
        ("aaaaaaaaaaaaaaaaaaaa", "attackers"),
        ("adaadaadaada2026!", "easy to guess"),
        ("idprotect-idprotect", "easy to guess"),
    ],
)
def test_passwords_that_anybody_would_guess_are_refused_with_the_reason(
    place: Place, password: str, reason: str
) -> None:
    """Section 5, blocklist of common and context words, reason told (A 6.2.4, 6.2.11)."""
    place.make_user()
    visitor = change(place.signed_in(), password)
    assert visitor.status == 400
    assert reason in visitor.text


def test_the_refused_password_is_not_sent_back(place: Place) -> None:
    """Section 9: a page never holds a password, not even the one that was just typed into it."""
    place.make_user()
    visitor = change(place.signed_in(), "fourteen moths")
    assert "fourteen moths" not in visitor.page.text
    assert PASSWORD not in visitor.page.text
    visitor = place.browser().start().sign_in(password="wrong, and not to be repeated")
    assert "not to be repeated" not in visitor.page.text


# How they are kept


def test_the_defaults_are_at_least_what_owasp_asks_for() -> None:
    """Section 5, argon2id ≥ (2, 19 MiB, 1) (A 11.4.2)."""
    defaults = Settings(issuer="https://id.example")
    assert defaults.argon2_time_cost >= 2
    assert defaults.argon2_memory_kib >= 19 * 1024
    assert defaults.argon2_parallelism >= 1
    hasher = Passwords(b"k" * 32, time_cost=2, memory_kib=19 * 1024, parallelism=1, parallel=2)
    assert hasher.hash("x").startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def test_parameters_and_salt_are_stored_with_each_password(place: Place) -> None:
    """Section 5, salt and parameters stored: two people with one password have different hashes."""
    place.make_user()
    place.make_user("bob")
    one, other = stored(place), stored(place, "bob")
    for value in (one, other):
        parameters = argon2.extract_parameters(value)
        assert (parameters.type, parameters.time_cost, parameters.memory_cost) == (argon2.Type.ID, 1, 64)
        assert parameters.salt_len >= 16
    assert one != other


def test_a_password_is_hashed_anew_when_the_parameters_changed(make_a_place: Callable[..., Place]) -> None:
    """Section 5, rehash on sign-in (A 11.4.2): by the right password only, and then it is stored with the new cost."""
    place = make_a_place()
    place.make_user()
    before = stored(place)
    place.settings["IDPROTECT_ARGON2_TIME_COST"] = 3
    stronger = place.restarted()
    stronger.browser().start().fail()
    assert stored(place) == before
    stronger.signed_in()
    after = stored(place)
    assert argon2.extract_parameters(after).time_cost == 3
    assert signs_in(stronger, PASSWORD)
    assert stored(place) == after, "once is enough"
    assert signs_in(place, PASSWORD), "and a process with the old settings still lets her in"
    assert not place.rows(AuditEvent, AuditEvent.name == "password:changed")


def test_a_temporary_password_never_becomes_the_password(make_a_place: Callable[..., Place]) -> None:
    """Section 5, temporary password: hashing anew does not put it in the place of the real one."""
    place = make_a_place()
    place.make_user()
    before = stored(place)
    temporary = place.act(users.set_temporary_password, "ada", "admin")
    place.settings["IDPROTECT_ARGON2_TIME_COST"] = 2
    visitor = place.restarted().browser().start().sign_in(password=temporary)
    assert visitor.step == "password_change"
    assert stored(place) == before


def test_the_database_alone_does_not_verify_a_password(place: Place) -> None:
    """Section 5, keyed hash with a key outside the database: a stolen table cannot even be guessed at."""
    place.make_user()
    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(stored(place), PASSWORD)
    assert signs_in(place.restarted(), PASSWORD)
    (place.folder / "keys" / "pepper").write_text("ab" * 32)
    assert not signs_in(place.restarted(), PASSWORD)


@pytest.mark.parametrize(
    "broken", ["", "plain text", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv", "used", None]
)
def test_a_hash_that_is_none_verifies_nothing(place: Place, broken: str | None) -> None:
    """I3: whatever stands in the column, it is never a way in."""
    place.make_user()
    with place.arranging():
        place.user().password_hash = broken
    for typed in (PASSWORD, broken or "x", "used"):
        assert not signs_in(place, typed)


@pytest.mark.parametrize("lanes", [1, 2])
def test_hashes_are_argon2id_whoever_made_them(lanes: int) -> None:
    """Section 5: strings that any library of argon2 verifies, made by any, whatever their lanes."""
    passwords = Passwords(b"k" * 32, time_cost=2, memory_kib=64, parallelism=lanes, parallel=2)
    made = passwords.hash(PASSWORD)
    other = argon2.PasswordHasher(2, 64, lanes)
    assert argon2.extract_parameters(made) == argon2.extract_parameters(other.hash("x"))
    assert other.verify(made, passwords._keyed(PASSWORD))
    assert passwords.verify(made, PASSWORD)
    assert passwords.verify(
        argon2.PasswordHasher(1, 32, 3 - lanes).hash(passwords._keyed(PASSWORD)), PASSWORD
    )
    for spoilt in (other.hash("x"), made[:-3] + "AAA", made[:40], made + "A" * 200, "$argon2id$,p=1$"):
        assert not passwords.verify(spoilt, PASSWORD)


def test_hashes_run_two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Section 5, parallel hash computations bounded (A 15.2.2): further ones wait for a place."""
    hasher = Passwords(b"k" * 32, **CHEAP, parallel=2)
    now, most, lock = 0, 0, threading.Lock()

    def slow(*_: object) -> bool:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        return True

    monkeypatch.setattr(hasher, "_hasher", type("Slow", (), {"verify": slow, "hash": slow})())
    threads = [threading.Thread(target=hasher.verify, args=("$argon2id$x", "x")) for _ in range(8)]
    threads += [threading.Thread(target=hasher.hash, args=("x",)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2


def test_when_all_places_are_taken_for_long_the_person_is_asked_to_wait(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Section 5: instead of piling up, a sign-in is turned away with 429, and tried again later succeeds."""
    place.make_user()
    monkeypatch.setattr(passwords_module, "WAIT_SECONDS", 0.05)
    slots = place.app.extensions["idprotect"].passwords._slots
    visitor = place.browser().start()
    with slots, slots:
        assert visitor.sign_in().status == 429
        with pytest.raises(TooManyAttempts):
            place.app.extensions["idprotect"].passwords.hash("x")
    assert visitor.sign_in().step == "account"


# Changing it


def test_a_change_needs_the_current_password(place: Place) -> None:
    """Section 5, change needs the current password (A 6.2.3): and guesses at it are slowed down."""
    place.make_user()
    visitor = place.signed_in()
    for _ in range(5):
        assert change(visitor, NEW_PASSWORD, current="not this one, surely").status == 400
    assert change(visitor, NEW_PASSWORD).status == 429
    place.clock.move(seconds=40)
    assert change(visitor, NEW_PASSWORD).step == "account"


def test_a_refused_new_password_is_no_failure_of_the_current_one(place: Place) -> None:
    """Section 5: who types the right password is not made to wait because of the new one."""
    place.make_user()
    visitor = place.signed_in()
    for _ in range(8):
        assert change(visitor, "short").status == 400
    assert change(visitor, NEW_PASSWORD).step == "account"


@pytest.mark.parametrize("forced", [False, True])
def test_recent_passwords_are_refused(place: Place, forced: bool) -> None:
    """Section 5, refuses the current and recent ones (A 6.2.3): the last three and the present one."""
    place.make_user()
    words = ["one quiet heron over slate", "two quiet herons over slate", "three quiet herons over slate"]
    visitor, current = place.signed_in(), PASSWORD
    for word in words:
        assert change(visitor, word, current).step == "account"
        current = word
    if forced:
        current = place.act(users.set_temporary_password, "ada", "admin")
        visitor = place.browser().start().sign_in(password=current)
        assert visitor.step == "password_change"
    for old in (PASSWORD, *words, current):
        if forced:
            visitor.submit({"new": old, "confirm": old})
        else:
            change(visitor, old, current)
        assert visitor.status == 400
        assert "not used here before" in visitor.text
    if forced:
        assert visitor.submit({"new": NEW_PASSWORD, "confirm": NEW_PASSWORD}).step == "account"
    else:
        assert change(visitor, NEW_PASSWORD, current).step == "account"
    assert len(place.read(lambda user: user.password_history)) == 3


def test_a_temporary_password_is_strong_short_lived_and_opens_one_page(place: Place) -> None:
    """Section 5, temporary password (A 6.4.1): 98 bits, a day, hashed, single use; no history can bring it back."""
    place.make_user()
    temporary = place.act(users.set_temporary_password, "ada", "admin")
    assert re.fullmatch(r"([A-HJKMNP-TV-Z2-9]{5}-){3}[A-HJKMNP-TV-Z2-9]{5}", temporary)
    another = place.act(users.set_temporary_password, "ada", "admin")
    assert another != temporary
    assert not signs_in(place, temporary), "the newest only"
    visitor = place.browser().start().sign_in(password=another)
    assert visitor.step == "password_change"
    assert place.browser().start().sign_in(password=another).step == "sign_in", "single use"
    assert not signs_in(place, PASSWORD), "nor does the old one come back"
    for path in ("/account", "/account/password", "/account/methods"):
        assert visitor.copy().get(path).step in ("password_change", "sign_in")
    assert another not in "".join(value for _, value in place.values())


def test_a_temporary_password_works_for_a_day(place: Place) -> None:
    """Section 5 and 14, temporary password at most 24 h: enforced at use, and like any wrong password."""
    place.make_user()
    temporary = place.act(users.set_temporary_password, "ada", "admin")
    place.clock.move(hours=24, seconds=1)
    late = place.browser().start().sign_in(password=temporary)
    wrong = place.browser().start().sign_in(password="some other wrong password")
    assert (late.step, late.status, "not right" in late.text) == (wrong.step, wrong.status, True)
    place.clock.move(hours=-1)
    assert place.browser().start().sign_in(password=temporary).step == "password_change"


@pytest.mark.parametrize("kind", ["voluntary", "forced"])
def test_a_password_change_ends_everything_that_the_old_one_opened(place: Place, kind: str) -> None:
    """Section 5, A 7.4.3, B 4.14: other sessions, refresh tokens, codes, messages under way, familiar browsers."""
    place.add_application()
    place.make_user(authenticators=("sms",))
    application = Application(place)
    elsewhere = place.browser(OTHER_ADDRESS).ask_for_a_code().sign_in()
    tokens = application.redeem(elsewhere.code)
    unredeemed = elsewhere.ask_for_a_code().code
    place.apply(MFA_POLICY)
    half_way = place.browser(OTHER_ADDRESS).start().sign_in().submit(action="do=send")
    code, page = place.sms_code(), half_way.form("code")
    place.apply()
    if kind == "voluntary":
        visitor = change(place.signed_in(), NEW_PASSWORD)
    else:
        temporary = place.act(users.set_temporary_password, "ada", "admin")
        place.clock.move(minutes=1)
        visitor = place.browser().start().sign_in(password=temporary).submit(action="do=send")
        visitor.submit({"code": place.sms_code()}).submit({"new": NEW_PASSWORD, "confirm": NEW_PASSWORD})
    assert visitor.step == "account", visitor.text
    assert application.refresh(tokens["refresh_token"]).status_code == 400
    assert not application.post("/introspect", token=tokens["access_token"]).get_json()["active"]
    late = {
        "grant_type": "authorization_code",
        "code": unredeemed,
        "redirect_uri": "https://notes.example/callback",
    }
    assert application.post("/token", **late, code_verifier="v" * 64).status_code == 400
    place.apply(MFA_POLICY)
    assert half_way.go("POST", page[0], {**page[1], "code": code}).step == "sign_in"
    assert elsewhere.start().step == "sign_in"
    place.apply()
    assert visitor.is_signed_in
    with place.app.app_context():
        own = session().scalars(select(SignIn.id).where(SignIn.succeeded, SignIn.ended_at.is_(None))).all()
        assert len(own) == 1
        assert session().query(Device).count() == (0 if kind == "voluntary" else 1), (
            "only the acting browser, if any"
        )
        assert (
            session()
            .query(Challenge)
            .filter(Challenge.sign_in_id.in_(own), Challenge.used_at.is_(None))
            .count()
            == 0
        )


def test_the_owner_is_told_of_a_change_and_can_object(place: Place) -> None:
    """Section 5, users are told of credential changes (A 6.3.7): with a link of the configured issuer."""
    place.make_user()
    change(place.signed_in(), NEW_PASSWORD)
    body = place.mails("password was changed")[0].body
    assert f"{place.url}/report/" in body
    assert NEW_PASSWORD not in body


def test_no_password_has_to_be_changed_by_the_calendar(place: Place) -> None:
    """Section 5, no rotation: after five years it is still good."""
    place.make_user()
    place.clock.move(days=5 * 365)
    assert signs_in(place, PASSWORD)


# Accounts that come with the server


def test_a_new_server_has_no_account(place: Place) -> None:
    """Section 5, no default accounts; the first administrator is made by command with a random secret (A 6.3.2)."""
    assert place.rows(User) == []
    made = [place.cli("user", "create", name, "--administrator") for name in ("root", "admin2")]
    shown = [re.search(r"(?:[A-Z2-9]{5}-){3}[A-Z2-9]{5}", result.output) for result in made]
    assert all(shown)
    assert shown[0].group() != shown[1].group()  # type: ignore[union-attr]
    for row in place.rows(User):
        assert row.must_change_password
    assert not signs_in(place, "admin", "root")


def test_a_password_can_be_pasted() -> None:
    """Section 9, paste allowed (A 6.2.7): no page and no script listens to it."""
    folders = [PROJECT / "templates", PROJECT / "idprotect" / "static"]
    files = [
        path for folder in folders for path in Path(folder).rglob("*") if path.suffix in (".html", ".js")
    ]
    assert files
    for path in files:
        assert not re.search(r"onpaste|[\"']paste[\"']|oncopy|oncontextmenu", path.read_text()), path


def test_users_without_a_password_cannot_be_signed_in_to(place: Place) -> None:
    """I3: no password is not an empty password."""
    place.make_user(password=None)
    visitor = place.browser().start()
    for typed in ("", " ", "None"):
        assert visitor.sign_in(password=typed).step == "sign_in"


def test_a_password_is_refused_where_it_is_kept_elsewhere(place: Place) -> None:
    """A 2.3.1: the forced change is refused politely when the directory keeps no passwords; the way stays closed."""
    place.make_user(authenticators=("totp",))
    place.apply(USER_RISK_POLICY)
    place.act(lambda user: __import__("idprotect").protection.confirm_compromised(user, "admin"))
    visitor = place.browser().start().sign_in().submit(action="/notice").submit({"code": place.totp()})
    place.app.extensions["idprotect"].directory.sets_passwords = False
    try:
        visitor.submit({"current": PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD})
        assert (visitor.step, visitor.status) == ("password_change", 400)
        with place.arranging(), pytest.raises(InteractionError):
            users.set_temporary_password(place.user(), "admin")
    finally:
        del place.app.extensions["idprotect"].directory.sets_passwords
