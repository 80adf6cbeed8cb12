"""Section 11: whoever reads the database, its journal or the log finds nothing that opens anything."""

import base64
import hashlib
import re
from pathlib import Path

import pytest
from sqlalchemy import select

from idprotect.errors import ConfigurationError
from idprotect.keys import KeyRing
from idprotect.methods.base import bound_to, secret_of
from idprotect.models import Authenticator, AuthorizationCode, Client, RecoveryCode, SignIn, Token, session
from idprotect.runtime import runtime
from tests.security.place import CLIENT_SECRET, Place, Visitor
from tests.security.tour import Tour
from tests.support.world import MFA_POLICY

KINDS = {
    "password",
    "temporary password",
    "client secret",
    "cookie",
    "code",
    "device code",
    "token",
    "recovery code",
    "seed",
    "telephone number",
    "report link",
    "key",
}


def database_files(folder: Path) -> dict[str, bytes]:
    """Return the database with its journals, byte by byte."""
    return {path.name: path.read_bytes() for path in folder.glob("idprotect.sqlite*")}


def disguises(secret: str) -> set[bytes]:
    """Return how a secret might stand somewhere, without being any safer for it."""
    raw = secret.encode()
    forms = {
        raw,
        raw.hex().encode(),
        raw[::-1],
        base64.b64encode(raw).rstrip(b"="),
        base64.urlsafe_b64encode(raw),
    }
    forms |= {secret.upper().encode(), secret.lower().encode(), secret.encode("utf-16-le")}
    return forms


def test_the_tour_brought_up_every_kind_of_secret(tour: Tour) -> None:
    """What the tests below look for is everything that was secret in a complete journey."""
    assert {name for name, values in tour.secrets.items() if values} == KINDS
    assert len(tour.codes) >= 4
    assert min(len(value) for values in tour.secrets.values() for value in values) >= 10


def test_no_secret_stands_in_the_database_or_its_journal(tour: Tour) -> None:
    """Section 11, nothing in plain text in tables, journals, backups (A 14.2.4): searched for in the raw files."""
    files = database_files(tour.folder)
    assert {"idprotect.sqlite", "idprotect.sqlite-wal"} <= set(files)
    assert len(files["idprotect.sqlite-wal"]) > 100_000, "the journal holds the tour"
    content = b"\n".join(files.values())
    assert b"ada@example.org" in content, "this is where to look"
    for name, values in tour.secrets.items():
        for value in values:
            for form in disguises(value):
                assert form not in content, f"{name} in the database"


def test_no_one_time_code_stands_in_any_column(tour: Tour) -> None:
    """Section 11: six digits occur by chance in raw bytes, so the values are looked at one by one."""
    for where, text in tour.place.values():
        for code in tour.codes:
            assert not re.search(rf"(?<![\w.:]){code}(?!\w)", text), where


def test_no_secret_stands_in_the_log(tour: Tour) -> None:
    """Section 11, no credentials, tokens, codes, cookies, query strings in logs; at the most talkative level."""
    assert "idprotect.audit" in tour.log
    assert "SELECT" in tour.log
    assert "Traceback" in tour.log, "error paths, too"
    for name, values in tour.secrets.items():
        for value in values:
            for form in disguises(value):
                assert form.decode("utf-8", "replace") not in tour.log, f"{name} in the log"
    # Rows that were read are printed as they are stored, with microseconds that look like codes.
    text = "\n".join(line for line in tour.log.splitlines() if "sqlalchemy.engine.Engine DEBUG" not in line)
    for code in tour.codes:
        assert not re.search(rf"(?<![\w.:]){code}(?!\w)", text)


def test_no_secret_stands_in_an_answer_but_the_one_that_shows_it(tour: Tour) -> None:
    """Section 4, 10: seeds, recovery codes and passwords come up once, on the page that is for them."""
    for name in (
        "password",
        "temporary password",
        "client secret",
        "recovery code",
        "seed",
        "key",
        "telephone number",
    ):
        for value in tour.secrets[name]:
            answers = [
                exchange for exchange in tour.exchanges if exchange.path != "/outbox"
            ]  # of development
            showing = [exchange for exchange in answers if value in exchange.response.text]
            if name == "recovery code":
                assert len(showing) <= 1, name
            elif name == "seed":
                assert all("/account/methods" in exchange.path for exchange in showing), name
            else:
                assert showing == [], name


def test_no_file_but_the_outbox_holds_a_secret(tour: Tour) -> None:
    """Section 11: nothing is left in other files of the instance; keys are in theirs."""
    for path in tour.folder.rglob("*"):
        if path.is_file() and "outbox" not in path.parts and "keys" not in path.parts:
            content = path.read_bytes()
            for name, values in tour.secrets.items():
                assert not [value for value in values if value.encode() in content], f"{name} in {path.name}"


def test_what_is_random_is_kept_as_a_hash(tour: Tour) -> None:
    """Section 11, random tokens as SHA-256, low-entropy secrets as password or keyed hash (A 11.3.x, 6.5.2)."""
    place = tour.place

    def hashed(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()

    tokens = {row.access_hash for row in place.rows(Token)} | {row.refresh_hash for row in place.rows(Token)}
    for value in tour.secrets["token"]:
        assert value.count(".") == 2 or hashed(value) in tokens, "an ID token is not kept at all"
    codes = {row.code_hash for row in place.rows(AuthorizationCode)}
    assert {hashed(value) for value in tour.secrets["code"]} <= codes
    assert place.rows(Client)[0].secret_hash == hashed(CLIENT_SECRET)
    cookies = {row.cookie_hash for row in place.rows(SignIn)} - {None}
    assert cookies <= {hashed(value) for value in tour.secrets["cookie"]}
    for code in tour.codes:
        digest = hashed(code)
        assert digest not in {text for _, text in place.values()}, "six digits are found in no time"
    assert all(re.fullmatch("[0-9a-f]{64}", row.code_hash) for row in place.rows(RecoveryCode))


def test_everybodys_hash_of_one_recovery_code_is_another(place: Place) -> None:
    """Section 11: bound to the user, so one table of guesses is not good for all."""
    from idprotect.methods import recovery

    assert recovery._hash("a" * 32, "AAAAA-BBBBB-CCCCC") != recovery._hash("b" * 32, "AAAAA-BBBBB-CCCCC")


# Encrypted fields


def two_people(place: Place) -> Visitor:
    """Return ada's browser in front of the challenge; bob has an app, too."""
    place.make_user("ada", authenticators=("totp",))
    place.make_user("bob", authenticators=("totp", "sms"))
    place.apply(MFA_POLICY)
    return place.browser().start().sign_in("ada")


def factor(place: Place, username: str, method: str = "totp") -> Authenticator:
    """Return an authenticator; call it in ``arranging``."""
    of_user = (Authenticator.user_id == place.user(username).id, Authenticator.method == method)
    return session().scalars(select(Authenticator).where(*of_user)).one()


def test_seeds_and_numbers_are_encrypted_each_in_its_own_way(place: Place) -> None:
    """Section 11, AEAD: never the same bytes twice, also for the same number, and no longer than need be."""
    for name in ("ada", "bob"):
        place.make_user(name, authenticators=("sms",))
    one, two = (row.secret for row in place.rows(Authenticator))
    assert one != two
    assert len(one) == len(two) == 12 + len("+447400123456") + 16


@pytest.mark.parametrize("swap", ["another user's", "another row's", "changed", "cut off", "empty"])
def test_an_encrypted_field_counts_only_in_its_own_row(place: Place, swap: str) -> None:
    """Section 11, bound to row and user: who can write the database cannot give ada the seed that he knows."""
    visitor = two_people(place)
    with place.arranging():
        victim, bobs, number = factor(place, "ada"), factor(place, "bob"), factor(place, "bob", "sms")
        known = secret_of(bobs)
        good = victim.secret
        victim.secret = {
            "another user's": bobs.secret,
            "another row's": number.secret,
            "changed": good[:-1] + bytes([good[-1] ^ 1]),
            "cut off": good[:20],
            "empty": b"",
        }[swap]
    with place.arranging(), pytest.raises(ConfigurationError):
        secret_of(factor(place, "ada"))
    place._seeds["ada"] = known
    visitor.submit({"code": place.totp("ada")})
    assert visitor.status == 500
    assert not visitor.is_signed_in


def test_a_row_that_was_given_to_somebody_else_is_worth_nothing(place: Place) -> None:
    """Section 11, bound to row and user: moving the whole row to ada does not make bob's app hers."""
    visitor = two_people(place)
    with place.arranging():
        session().delete(factor(place, "ada"))
        bobs = factor(place, "bob")
        place._seeds["ada"] = secret_of(bobs)
        bobs.user_id = place.user("ada").id
    visitor.start()
    assert visitor.step == "mfa"
    visitor.submit({"code": place.totp("ada")})
    assert visitor.status == 500
    assert not visitor.is_signed_in


def test_another_key_reads_nothing(place: Place, tmp_path: Path) -> None:
    """Section 11: the key is a file, and the fields are nothing without it."""
    place.make_user(authenticators=("totp",))
    with place.arranging():
        row = factor(place, "ada")
        binding = bound_to(row.id, row.user_id)
        assert runtime().keys.decrypt(row.secret, binding)
        with pytest.raises(ConfigurationError):
            KeyRing(tmp_path / "other").decrypt(row.secret, binding)


def test_fields_of_different_purposes_never_hash_alike(tmp_path: Path) -> None:
    """Section 11: a hash under one purpose is not one under another, however the parts are cut."""
    ring = KeyRing(tmp_path / "keys")
    hashes = {
        ring.keyed_hash(*parts)
        for parts in (("a", "bc"), ("ab", "c"), ("abc",), ("a", "b", "c"), ("", "abc"))
    }
    assert len(hashes) == 5
    assert ring.keyed_hash("a", "bc") == KeyRing(tmp_path / "keys").keyed_hash("a", "bc")
    assert ring.keyed_hash("a", "bc") != KeyRing(tmp_path / "other").keyed_hash("a", "bc")
