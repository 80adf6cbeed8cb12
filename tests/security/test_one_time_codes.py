"""Section 4: one-time codes, their tries and their sending; what is registered, and when it begins to count."""

import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import update

from idprotect import clock
from idprotect.methods.base import secret_of
from idprotect.models import AuditEvent, Authenticator, Challenge, Receipt, RecoveryCode, Throttle, session
from idprotect.senders import Message, SendError
from idprotect.senders.http_gateway import HttpGateway
from idprotect.senders.outbox import Outbox
from tests.security.place import Place, Visitor
from tests.support.world import CHROME, MFA_POLICY, OTHER_ADDRESS, REGISTRATION_POLICY

NUMBER = "+447400123456"


def challenged(place: Place, *authenticators: str, username: str = "ada") -> Visitor:
    """Return a browser in front of the challenge."""
    place.make_user(username, authenticators=authenticators or ("sms",))
    place.apply(MFA_POLICY)
    return again(place, username)


def again(place: Place, username: str = "ada") -> Visitor:
    """Return another browser of the same person in front of the challenge."""
    visitor = place.browser().start().sign_in(username)
    assert visitor.step == "mfa", visitor.text
    return visitor


def send(place: Place, visitor: Visitor) -> str:
    """Let a code be sent, when that may be done again; return it."""
    place.clock.move(seconds=31)
    visitor.submit(action="do=send")
    assert visitor.status == 200, visitor.text
    return place.sms_code()


def other(code: str) -> str:
    """Return a wrong code."""
    return f"{(int(code) + 1) % 10**6:06d}"


def texts(place: Place) -> list[Message]:
    """Return the text messages that were sent."""
    return [message for message in place.outbox().messages() if message.channel == "sms"]


def choose(visitor: Visitor, word: str) -> Visitor:
    """Choose another way to prove who one is."""
    link = next(
        link
        for link in visitor.links()
        if "method=" in link and (word in visitor.text) and word_fits(link, word)
    )
    return visitor.get(link.replace("&amp;", "&"))


def word_fits(link: str, word: str) -> bool:
    """Whether a link is the one to the recovery codes, or not."""
    return ("recovery_code" in link) == (word == "Recovery code")


# Codes


def test_a_code_is_six_digits_and_comes_by_message_only(place: Place) -> None:
    """Section 4, codes of at least six digits (A 6.5.1): in the message, and in nothing that the browser gets."""
    visitor = challenged(place)
    code = send(place, visitor)
    assert re.fullmatch(r"\d{6}", code)
    for exchange in place.exchanges:
        assert code not in exchange.response.text
        assert code not in str(exchange.response.headers)


def test_codes_do_not_repeat(place: Place) -> None:
    """Section 4, CSPRNG: no two of a few are the same, and none is a neighbour of the one before."""
    visitor = challenged(place)
    codes = [int(send(place, visitor)) for _ in range(5)]
    assert len(set(codes)) == 5
    assert all(abs(one - two) > 1 for one, two in zip(codes, codes[1:], strict=False))


@pytest.mark.parametrize(("minutes", "step"), [(9.9, "account"), (10.1, "mfa")])
def test_a_code_lives_ten_minutes(place: Place, minutes: float, step: str) -> None:
    """Section 4, at most ten minutes (N 3.1.3): after that the right code is wrong, though no newer one was sent."""
    visitor = challenged(place).submit(action="do=send")
    path, data = visitor.form("code")
    place.clock.move(minutes=minutes)
    visitor.go("POST", path, {**data, "code": place.sms_code()})
    assert visitor.step == step


def test_only_the_newest_code_counts(place: Place) -> None:
    """F067, section 4, newest only: an older one is refused, also when the newer one went to another sign-in."""
    visitor, elsewhere = challenged(place), again(place)
    codes = [send(place, visitor), send(place, visitor)]
    path, data = visitor.form("code")
    assert visitor.submit({"code": codes[0]}).step == "mfa"
    codes.append(send(place, elsewhere))
    for code in codes:
        assert visitor.go("POST", path, {**data, "code": code}).step == "mfa"
    assert elsewhere.submit({"code": codes[2]}).step == "account"


def test_a_code_works_once(place: Place) -> None:
    """Section 4, single use: the form sent again opens nothing, neither here nor in another sign-in."""
    visitor, elsewhere = challenged(place), again(place)
    code = send(place, visitor)
    path, data = visitor.form("code")
    thief = visitor.copy()
    assert visitor.submit({"code": code}).step == "account"
    assert thief.go("POST", path, {**data, "code": code}).status == 400
    assert not thief.is_signed_in
    own = elsewhere.form(action="do=send")[1]
    elsewhere.go("POST", path.replace(path.split("/")[2], elsewhere.pending_id), {**own, "code": code})
    assert elsewhere.step == "mfa"


def test_a_code_is_bound_to_the_sign_in_in_which_it_was_sent(place: Place) -> None:
    """Section 4, bound to session and request (I4, A 6.6.2): in ada's other sign-in it is worthless."""
    visitor, thief = challenged(place), again(place)
    code = send(place, visitor)
    path, data = visitor.form("code")
    own = thief.form(action="do=send")[1]
    assert (
        thief.go("POST", path.replace(visitor.pending_id, thief.pending_id), {**own, "code": code}).step
        == "mfa"
    )
    assert thief.go("POST", path, {**data, "code": code}).status == 400
    assert not thief.is_signed_in
    assert visitor.submit({"code": code}).step == "account"


def test_a_code_is_bound_to_its_user(place: Place) -> None:
    """Section 4, bound to the user (I4): a code sent to bob's telephone proves nothing about ada."""
    ada, bob = challenged(place), challenged(place, username="bob")
    code = send(place, bob)
    place.clock.move(seconds=40)
    send(place, ada)
    if code != place.sms_code():
        assert ada.submit({"code": code}).step == "mfa"
    with place.app.app_context():
        bobs = session().query(Authenticator.id).filter_by(user_id=place.read(lambda u: u.id, "bob")).scalar()
    path, data = ada.form("code")
    ada.go("POST", re.sub(r"method=[0-9a-f]+", f"method={bobs}", path), {**data, "code": code})
    assert ada.step == "mfa"
    assert bob.submit({"code": code}).step == "account"


@pytest.mark.parametrize("typed", ["{0} {1}", "{0}-{1}", "  {0}{1} ", "{0}.{1}"])
def test_a_code_may_be_typed_as_it_is_read(place: Place, typed: str) -> None:
    """Section 4, one canonical form: spaces and dashes do not matter."""
    visitor = challenged(place)
    code = send(place, visitor)
    assert visitor.submit({"code": typed.format(code[:3], code[3:])}).step == "account"


@pytest.mark.parametrize(
    "change", ["0{}", "{}0", "", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "x" * 65, "{}\0"]
)
def test_nothing_but_the_code_is_the_code(place: Place, change: str) -> None:
    """Section 4 and 9: longer, empty, other digits, endless: refused without an error of ours."""
    visitor = challenged(place)
    code = send(place, visitor)
    visitor.submit({"code": change.format(code)}) if change != "{}\0" else visitor.submit(
        {"code": other(code) + "\0"}
    )
    assert visitor.step == "mfa"
    assert visitor.status == 400


# The authenticator app


def code_of(app: pyotp.TOTP, steps: int) -> str:
    """Return the code of so many steps from now."""
    return app.at(clock.now() + timedelta(seconds=30 * steps))


def test_an_app_may_be_one_step_off_and_no_more(place: Place) -> None:
    """Section 4, TOTP window ±1 of 30 s (N 3.1.4), by the server's clock alone."""
    visitor = challenged(place, "totp")
    place.totp()
    app = pyotp.TOTP(place._seeds["ada"])
    for steps in (-2, 2):
        visitor.submit({"code": code_of(app, steps)})
        assert visitor.step == "mfa", steps
    for steps in (-1, 1):
        place.clock.move(minutes=3)
        visitor = again(place)
        visitor.headers["Date"] = "Thu, 01 Jan 1970 00:00:00 GMT"
        assert visitor.submit({"code": code_of(app, steps)}).step == "account", steps


def test_the_step_of_an_app_only_grows(place: Place) -> None:
    """Section 4, last accepted step stored and strictly increasing (A 6.5.1): no code again, nor an older one."""
    visitor = challenged(place, "totp")
    place.totp()
    app = pyotp.TOTP(place._seeds["ada"])
    codes = {steps: code_of(app, steps) for steps in (-1, 0, 1)}
    assert visitor.submit({"code": codes[0]}).step == "account"
    for steps in (0, -1):
        assert again(place).submit({"code": codes[steps]}).step == "mfa", steps
    assert again(place).submit({"code": codes[1]}).step == "account"
    for steps in (1, 0, -1):
        assert again(place).submit({"code": codes[steps]}).step == "mfa", steps


def test_a_code_that_proved_an_app_at_registration_is_used_up(place: Place) -> None:
    """Section 4, single use: the code of the registration does not open the next sign-in."""
    place.make_user()
    place.apply(REGISTRATION_POLICY, MFA_POLICY)
    visitor = place.browser().start().sign_in().submit(button="totp")
    code = place.totp()
    visitor.submit({"code": code})
    assert again(place).submit({"code": code}).step == "mfa"


def test_the_clock_set_back_does_not_revive_a_code(place: Place) -> None:
    """Section 12, clock jumps: an hour back, the codes of that hour are still used up."""
    visitor = challenged(place, "totp")
    code = place.totp()
    visitor.submit({"code": code})
    place.clock.move(hours=-1)
    assert again(place).submit({"code": pyotp.TOTP(place._seeds["ada"]).at(clock.now())}).step == "mfa"


# Tries


def spend(visitor: Visitor, times: int, code: str = "000000") -> Visitor:
    """Guess."""
    for _ in range(times):
        visitor.submit({"code": code})
        assert visitor.step == "mfa"
    return visitor


def test_a_challenge_takes_five_tries(place: Place) -> None:
    """Section 4, attempts per challenge (A 6.6.3, N 3.2.2): then the right code is refused, too."""
    visitor = challenged(place)
    code = send(place, visitor)
    form = visitor.form("code")
    spend(visitor, 4, other(code))
    assert visitor.status == 400
    spend(visitor, 1, other(code))
    visitor.go("POST", form[0], {**form[1], "code": code})
    assert (visitor.step, visitor.status) == ("mfa", 429)


@pytest.mark.parametrize("renewal", ["resend", "another method", "a recovery code"])
def test_nothing_in_a_sign_in_gives_new_tries(place: Place, renewal: str) -> None:
    """Section 4, not reset by resend or method switch (A 6.6.3)."""
    visitor = challenged(place, "sms", "totp")
    with place.arranging():
        session().add(RecoveryCode(code_hash="0" * 64, user_id=place.user().id))
    visitor.get(visitor.path)
    code = place.totp()
    spend(visitor, 5, other(code))
    if renewal == "resend":
        sms = next(link for link in visitor.links() if "method=" in link and "recovery" not in link)
        visitor.get(sms.replace("&amp;", "&"))
        code = send(place, visitor)
        code = send(place, visitor)
    elif renewal == "another method":
        sms = next(link for link in visitor.links() if "method=" in link and "recovery" not in link)
        visitor.get(sms.replace("&amp;", "&"))
        code = send(place, visitor)
    else:
        choose(visitor, "Recovery code")
    visitor.submit({"code": code})
    assert (visitor.step, visitor.status) == ("mfa", 429)


def test_an_account_takes_ten_tries_an_hour_whoever_signs_in(place: Place) -> None:
    """Section 4, attempts per account over all sessions and addresses; a new sign-in and a new address give none."""
    challenged(place, "totp")
    code = place.totp()
    spend(again(place), 5, other(code))
    elsewhere = place.browser(OTHER_ADDRESS, CHROME).start().sign_in()
    spend(elsewhere, 5, other(code))
    third = place.restarted().browser("192.0.2.9").start().sign_in()
    third.submit({"code": place.totp()})
    assert (third.step, third.status) == ("mfa", 429)
    place.clock.move(minutes=61)
    late = again(place)
    assert late.submit({"code": place.totp()}).step == "account", "and nobody is locked out for ever"


def test_a_success_gives_nobody_new_tries(place: Place) -> None:
    """Section 4, not reset by other people's success, nor by the owner's: guesses of this hour stay counted."""
    challenged(place, "totp")
    challenged(place, "totp", username="bob")
    spend(again(place), 5, "000000")
    spend(again(place), 4, "000000")
    assert again(place, "bob").submit({"code": place.totp("bob")}).step == "account"
    assert again(place).submit({"code": place.totp()}).step == "account"
    spend(again(place), 1, "000000")
    last = again(place)
    last.submit({"code": place.totp()})
    assert last.status == 429


def test_tries_are_counted_while_a_factor_is_registered(place: Place) -> None:
    """Section 4: whoever guesses the code of a telephone that is not his gets five tries, too."""
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in().submit(button="sms").submit({"phone": NUMBER})
    code = place.sms_code()
    for _ in range(5):
        visitor.submit({"code": other(code)})
        assert visitor.step == "mfa_registration"
    visitor.submit({"code": code})
    assert (visitor.step, visitor.status) == ("mfa_registration", 429)


def failures(place: Place) -> int:
    """Return how often the authenticator failed in a row."""
    return int(place.rows(Authenticator)[0].failures)


def test_consecutive_failures_are_counted_over_days_and_restarts(place: Place) -> None:
    """Section 4, at most 100 consecutive failures (N 3.2.2): days do not help, a right code does."""
    challenged(place, "totp")
    for day in range(1, 4):
        spend(again(place), 2, "000000")
        assert failures(place) == 2 * day
        place.clock.move(days=1)
    restarted = place.restarted()
    spend(restarted.browser().start().sign_in(), 1, "000000")
    assert failures(place) == 7
    again(place).submit({"code": place.totp()})
    assert failures(place) == 0


@pytest.mark.parametrize("method", ["totp", "sms"])
def test_the_hundredth_failure_in_a_row_disables_the_authenticator(place: Place, method: str) -> None:
    """Section 4, 100 consecutive failures: disabled until it is bound anew, and said in the audit log."""
    visitor = challenged(place, method)
    with place.arranging():
        session().execute(update(Authenticator).values(failures=99))
    code = place.totp() if method == "totp" else send(place, visitor)
    spend(visitor, 1, other(code))
    assert place.rows(Authenticator)[0].disabled_at is not None
    assert place.rows(AuditEvent, AuditEvent.name == "factor:disabled")
    code = place.totp() if method == "totp" else code
    visitor.submit({"code": code})
    assert visitor.step == "mfa"


def test_guessing_a_factor_away_does_not_let_another_be_registered(place: Place) -> None:
    """I7, N 3.2.2: who has the password alone, and guessed until the app was disabled, is asked for a recovery code."""
    place.make_user()
    place.apply(REGISTRATION_POLICY, MFA_POLICY)
    owner = place.browser().start().sign_in().submit(button="totp")
    owner.submit({"code": place.totp()})
    codes = re.findall(r"\b[A-Z2-9]{5}-[A-Z2-9]{5}-[A-Z2-9]{5}\b", owner.page.text)
    place.clock.move(minutes=30)
    thief = place.browser(OTHER_ADDRESS).start().sign_in()
    with place.arranging():
        session().execute(update(Authenticator).values(failures=99))
    spend(thief, 1)
    place.clock.move(hours=2)
    thief = place.browser(OTHER_ADDRESS).start().sign_in()
    assert thief.step == "mfa", "not mfa_registration"
    thief.get(thief.path.replace("/mfa", "/mfa_registration"))
    assert thief.step == "mfa"
    place.apply(REGISTRATION_POLICY)
    thief.get("/account/methods")
    assert thief.step == "mfa", "nor at the account pages, when no policy asks for the second factor"
    owner = place.browser().get("/account/methods").sign_in()
    assert owner.step == "mfa"
    owner.submit({"code": codes[0]})
    assert owner.step == "account/methods"
    owner.submit(button="totp")
    key = re.search(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}", owner.text)
    assert key is not None
    place._seeds["ada"] = key.group().replace(" ", "")
    owner.submit({"code": place.totp()})
    assert [row.disabled_at for row in place.rows(Authenticator)] == [None], (
        "the new app took the old one's place"
    )
    place.apply(MFA_POLICY)
    assert again(place).submit({"code": place.totp()}).step == "account"


# Sending


def test_a_second_message_has_to_wait_half_a_minute(place: Place) -> None:
    """Section 4, cool-down: also for another browser of the same person."""
    visitor = challenged(place)
    send(place, visitor)
    for impatient in (visitor, again(place)):
        impatient.submit(action="do=send")
        assert impatient.status == 400
        assert "wait" in impatient.text
    assert len(texts(place)) == 1
    send(place, visitor)
    assert len(texts(place)) == 2


def test_a_person_gets_five_messages_an_hour(place: Place) -> None:
    """Section 4 and 14, per user and hour, over all browsers."""
    challenged(place)
    for _ in range(5):
        send(place, again(place))
    place.clock.move(minutes=1)
    visitor = again(place).submit(action="do=send")
    assert visitor.status == 429
    assert len(texts(place)) == 5
    place.clock.move(minutes=61)
    send(place, again(place))


def test_a_number_gets_five_messages_an_hour_from_whomever(place: Place) -> None:
    """Section 4, per number: two people with one telephone share its budget, and nobody learns that they do."""
    challenged(place)
    challenged(place, username="bob")
    for username in ("ada", "bob", "ada", "bob", "ada"):
        send(place, again(place, username))
    place.clock.move(minutes=1)
    assert again(place, "bob").submit(action="do=send").status == 429
    assert len(texts(place)) == 5


@pytest.mark.parametrize("limit", ["ADDRESS", "PREFIX"])
def test_an_address_and_a_range_of_numbers_have_budgets(
    make_a_place: Callable[..., Place], limit: str
) -> None:
    """Section 4, per address (an IPv6 /64) and prefix: many accounts do not make many messages."""
    place = make_a_place(**{f"IDPROTECT_MESSAGES_PER_{limit}": 3})
    place.apply(REGISTRATION_POLICY)
    statuses = []
    for number in range(5):
        place.make_user(f"user{number}")
        address = f"2001:db8:0:{0 if limit == 'ADDRESS' else number}::{number + 1}"
        visitor = place.browser(address).start().sign_in(f"user{number}").submit(button="sms")
        digits = f"07400 12{number}456" if limit == "ADDRESS" else f"07400 12300{number}"
        statuses.append(visitor.submit({"phone": digits}).status)
        place.clock.move(seconds=1)
    assert statuses == [200, 200, 200, 429, 429]
    assert len(texts(place)) == 3


def test_budgets_are_shared_by_all_purposes(place: Place) -> None:
    """Section 4, budgets shared by all purposes: registering and signing in count together, restart or not."""
    place.make_user()
    place.apply(REGISTRATION_POLICY, MFA_POLICY)
    visitor = place.browser().start().sign_in().submit(button="sms").submit({"phone": NUMBER})
    for _ in range(2):
        place.clock.move(seconds=31)
        visitor.submit(action="do=send")
    visitor.submit({"code": place.sms_code()})
    for server in (place, place.restarted()):
        place.clock.move(seconds=31)
        assert server.browser().start().sign_in().submit(action="do=send").status == 200
    place.clock.move(seconds=31)
    assert again(place).submit(action="do=send").status == 429
    assert len(texts(place)) == 5


@pytest.mark.parametrize(
    "number",
    [
        "+1 900 555 0123",  # premium
        "+44 909 879 0000",  # premium
        "+44 800 123 4567",  # toll-free
        "+44 56 0000 0000",  # internet telephony
        "+44 70 1234 5678",  # forwarding
        "+44 20 7946 0958",  # landline
        "+881 6 12345678",  # satellite
        "+979 123 456 789",  # international premium
        "+41 79 123 45 67",  # a country that is not allowed here
        "+44 7400 123456, +44 7400 123457",
        "tel:+447400123456;ext=1",
        "1" * 41,
        "\0",
    ],
)
def test_a_number_that_costs_or_is_nobodys_is_refused_before_anything_is_sent(
    make_a_place: Callable[..., Place], number: str
) -> None:
    """Section 4: premium, satellite, toll-free, VoIP, landlines, countries that are not allowed."""
    place = make_a_place(IDPROTECT_SMS_COUNTRIES=("GB",))
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in().submit(button="sms").submit({"phone": number})
    assert (visitor.step, visitor.status) == ("mfa_registration", 400)
    assert texts(place) == []
    assert place.rows(Authenticator) == []
    assert place.rows(Throttle, Throttle.key.startswith("sms-")) == []


# Registration


def test_a_factor_counts_only_when_a_code_proved_it(place: Place) -> None:
    """Section 4, active only after proof (A 6.6.1): before that it is offered nowhere and opens nothing."""
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in().submit(button="totp")
    place.totp()
    assert place.rows(Authenticator)[0].confirmed_at is None
    elsewhere = place.browser(OTHER_ADDRESS).start().sign_in()
    assert elsewhere.step == "mfa_registration", "still unregistered"
    begun = pyotp.TOTP(place._seeds["ada"]).at(clock.now())
    path, data = visitor.form("code")
    own = elsewhere.forms()[0]["fields"]
    elsewhere.go("POST", path.replace(visitor.pending_id, elsewhere.pending_id), {**own, "code": begun})
    assert place.rows(Authenticator, Authenticator.confirmed_at.is_not(None)) == []
    visitor.go("POST", path, {**data, "code": begun})
    assert place.rows(Authenticator)[0].confirmed_at is not None


def test_a_seed_is_seen_only_in_the_sign_in_in_which_it_was_made(place: Place) -> None:
    """Section 4, shown once, to its owner: not to another browser with the password, and not after it was proved."""
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in().submit(button="totp")
    with place.app.app_context():
        seed = secret_of(session().query(Authenticator).one())
    shown = visitor.text.replace(" ", "")
    assert seed in shown
    page = visitor.path
    elsewhere = place.browser(OTHER_ADDRESS).start().sign_in()
    elsewhere.get(page.replace(visitor.pending_id, elsewhere.pending_id))
    assert seed not in elsewhere.text.replace(" ", "")
    visitor.submit({"code": place.totp()})
    assert seed not in visitor.text.replace(" ", "")
    for path in (page, "/account", "/account/methods", "/account/methods?method=totp"):
        visitor.get(path)
        assert seed not in visitor.text.replace(" ", ""), path


def test_looking_at_the_page_again_does_not_change_the_seed(place: Place) -> None:
    """Section 4, the seed is kept by the server: a reload, or a hostile image tag, replaces nothing."""
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in().submit(button="totp")
    before = place.rows(Authenticator)[0].secret
    for query in ("", "&do=skip", "&do=send", "&phone=new", "&method=sms"):
        visitor.get(visitor.path.partition("&")[0] + query)
    assert [row.secret for row in place.rows(Authenticator)] == [before]


def test_a_code_proves_exactly_the_number_that_it_was_sent_to(place: Place) -> None:
    """Section 4, a code proved exactly that number: proving one's own and then being registered with another fails."""
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in().submit(button="sms").submit({"phone": "07400 123456"})
    own, form = place.sms_code(), visitor.form("code")
    place.clock.move(seconds=31)
    visitor.get(visitor.path + "&phone=new").submit({"phone": "07400 654321"})
    if own != place.sms_code():
        assert visitor.submit({"code": own}).status == 400
    assert visitor.go("POST", form[0], {**form[1], "code": own}).status == 400
    assert place.rows(Authenticator, Authenticator.confirmed_at.is_not(None)) == []
    visitor.submit({"code": place.sms_code()})
    assert [row.hint[-2:] for row in place.rows(Authenticator)] == ["21"]


def test_the_number_is_shown_masked_and_only_after_the_password(place: Place) -> None:
    """Section 4, A 14.2.6: two digits at the end help the owner; before the password there is nothing at all."""
    place.make_user(authenticators=("sms",))
    place.apply(MFA_POLICY)
    visitor = place.browser().start().fail()
    assert "56" not in re.sub(r"[0-9A-F]{5}-[0-9A-F]{5}", "", visitor.text)
    visitor.sign_in()
    assert visitor.step == "mfa"
    digits = re.sub(r"\D", "", visitor.text[visitor.text.index("send a code") :][:80])
    assert len(digits) <= 6
    assert "7400" not in visitor.page.text
    assert "12345" not in visitor.page.text


def test_an_app_is_recommended_and_the_weakness_of_messages_is_told(place: Place) -> None:
    """Section 4, a non-SMS alternative is offered with SMS, and its risk explained (N 3.2.9)."""
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in()
    assert visitor.text.index("Authenticator app") < visitor.text.index("Text message")
    assert "Recommended" in visitor.text[: visitor.text.index("Text message")]
    assert "intercept" in visitor.text


@pytest.mark.parametrize("change", ["add", "remove"])
def test_changing_factors_needs_a_factor_that_was_proved_just_now(place: Place, change: str) -> None:
    """Section 4, full authentication with an existing factor, at most five minutes old (A 7.5.1); the owner is told."""
    place.make_user(authenticators=("totp",))
    visitor = place.signed_in()
    factor = place.rows(Authenticator)[0].id

    def go() -> Visitor:
        if change == "add":
            return visitor.get("/account/methods")
        _, data = visitor.start().form(action="/remove")
        return visitor.go("POST", f"/account/methods/{factor}/remove", data)

    assert go().step == "mfa", "the password alone is not enough, whatever the policies say"
    visitor.submit({"code": place.totp()})
    assert place.rows(Authenticator), "nothing happened yet"
    place.clock.move(minutes=6)
    assert go().step in ("sign_in", "mfa"), "six minutes are too long ago"
    if visitor.step == "sign_in":
        visitor.sign_in()
    visitor.submit({"code": place.totp()})
    go()
    if change == "add":
        visitor.submit(button="sms").submit({"phone": NUMBER}).submit({"code": place.sms_code()})
        assert place.mails("was added")
    else:
        assert place.rows(Authenticator) == []
        assert place.mails("was removed")


def test_recovery_codes_are_long_hashed_and_replaced_as_a_whole(place: Place) -> None:
    """Section 4, recovery codes (N 4.2): at least 64 bits each, only hashes stored, all different, told when used."""
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in().submit(button="totp").submit({"code": place.totp()})
    codes = re.findall(r"\b[A-Z2-9]{5}-[A-Z2-9]{5}-[A-Z2-9]{5}\b", visitor.page.text)
    assert len(set(codes)) == 10
    alphabet = set("".join(codes)) - {"-"}
    assert len(alphabet) > 20, "30 letters in 15 places: 73 bits"
    stored = "".join(value for _, value in place.values())
    assert not any(code in stored or code.replace("-", "") in stored for code in codes)
    place.make_user("bob", authenticators=("totp",))
    place.apply(MFA_POLICY)
    with place.arranging():
        session().add(RecoveryCode(code_hash="0" * 64, user_id=place.user("bob").id))
    thief = choose(again(place, "bob"), "Recovery code")
    assert thief.submit({"code": codes[0]}).step == "mfa", "they are ada's only"
    assert visitor.get("/account").page.text.count(codes[0]) == 0


# When the gateway fails


class Unreliable(Outbox):
    """A gateway that fails as often as it is told to."""

    fails = 0

    def send(self, message: Message) -> None:
        """Fail, or send."""
        if self.fails:
            self.fails -= 1
            raise SendError("the gateway answered 500")
        super().send(message)


def test_a_message_that_could_not_be_sent_can_be_asked_for_again(place: Place) -> None:
    """Section 4, provider failing (A 16.5.2): the page says so, nothing is left half done, and a retry works."""
    gateway = place.app.extensions["idprotect"].sms = Unreliable(place.folder / "outbox")
    visitor = challenged(place)
    gateway.fails = 1
    visitor.submit(action="do=send")
    assert (visitor.step, visitor.status) == ("mfa", 400)
    assert "could not be sent" in visitor.text
    assert place.rows(Challenge, Challenge.used_at.is_(None)) == [], "the code that was lost opens nothing"
    assert place.rows(AuditEvent, AuditEvent.name == "message:failed")
    assert visitor.submit({"code": send(place, visitor)}).step == "account"
    assert len(texts(place)) == 1


def test_registering_a_phone_goes_on_after_a_failure(place: Place) -> None:
    """Section 4, provider failing: the number can be typed again, and nothing was registered meanwhile."""
    gateway = place.app.extensions["idprotect"].sms = Unreliable(place.folder / "outbox")
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in().submit(button="sms")
    gateway.fails = 1
    assert visitor.submit({"phone": NUMBER}).status == 400
    place.clock.move(seconds=31)
    assert visitor.submit({"phone": NUMBER}).status == 200
    visitor.submit({"code": place.sms_code()})
    assert len(place.rows(Authenticator, Authenticator.confirmed_at.is_not(None))) == 1


@contextmanager
def silent_gateway() -> Iterator[tuple[str, list[bytes]]]:
    """Run a gateway that takes everything and never answers."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        kept = []

        def listen() -> None:
            try:
                while True:
                    connection, _ = listener.accept()
                    kept.append(connection)
                    heard.append(connection.recv(4096))
            except OSError:
                return

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/messages", heard
        listener.shutdown(socket.SHUT_RDWR)
        for connection in kept:
            connection.close()
    thread.join(2)


def test_a_slow_gateway_holds_the_page_for_two_seconds_at_most(place: Place) -> None:
    """Section 4, provider slow (A 16.5.2): the page answers within two seconds, one message went out, a retry works."""
    visitor = challenged(place)
    outbox = place.app.extensions["idprotect"].sms
    with silent_gateway() as (url, heard):
        place.app.extensions["idprotect"].sms = HttpGateway(url, "token")
        began = time.monotonic()
        visitor.submit(action="do=send")
        took = time.monotonic() - began
    assert visitor.status == 400
    assert took < 8, f"{took:.2f} s, of which our own part is no more than on any page"
    assert sum(b"POST" in request for request in heard) == 1, "no double send"
    place.app.extensions["idprotect"].sms = outbox
    assert visitor.submit({"code": send(place, visitor)}).step == "account"


# Where codes must not be


@pytest.mark.parametrize("gateway", ["works", "fails"])
def test_codes_seeds_and_numbers_are_in_no_log_and_no_record(
    place: Place, caplog: pytest.LogCaptureFixture, gateway: str
) -> None:
    """Section 4, canaries (A 16.2.5, 15.2.3): logs at their most talkative, audit, receipts, URLs, headers."""
    caplog.set_level(logging.DEBUG)
    for name in ("idprotect", "sqlalchemy.engine", "sqlalchemy.pool"):
        caplog.set_level(logging.DEBUG, name)
    unreliable = place.app.extensions["idprotect"].sms = Unreliable(place.folder / "outbox")
    place.make_user()
    place.apply(REGISTRATION_POLICY, MFA_POLICY)
    visitor = place.browser().start().sign_in().submit(button="sms")
    unreliable.fails = 1 if gateway == "fails" else 0
    visitor.submit({"phone": NUMBER})
    place.clock.move(seconds=31)
    if gateway == "fails":
        visitor.submit({"phone": NUMBER})
    codes = [place.sms_code()]
    visitor.submit({"code": other(codes[0])}).submit({"code": codes[0]})
    visitor.get("/account/methods").submit(button="totp")
    with place.app.app_context():
        seed = secret_of(session().query(Authenticator).filter_by(method="totp").one())
    place._seeds["ada"] = seed
    codes.append(place.totp())
    visitor.submit({"code": codes[1]})
    assert len(place.rows(Authenticator, Authenticator.confirmed_at.is_not(None))) == 2
    logged = "\n".join(record.getMessage() for record in caplog.records)
    records = "\n".join(
        f"{where} {text}"
        for where, text in place.values()
        if where.startswith(
            ("idprotect_audit_event", "idprotect_receipt", "idprotect_throttle", "idprotect_sign_in")
        )
    )
    assert "INSERT INTO idprotect_challenge" in logged, "the log was talkative"
    sent = "\n".join(f"{e.path}\n{e.response.headers}" for e in place.exchanges)
    own = ("method=totp", "phone=new")  # the page of the seed; the one that repeats what was just typed there
    pages = "\n".join(e.response.text for e in place.exchanges if not any(word in e.path for word in own))
    for where, text in {"records": records, "log": logged, "URLs and headers": sent, "pages": pages}.items():
        for name, secret in {"seed": seed, "number": NUMBER, "national number": "7400123456"}.items():
            assert secret not in text, f"{name} in {where}"
        for code in codes:
            assert not re.search(rf"(?<![\w.]){code}(?!\w)", text), f"code in {where}"
    assert place.rows(Receipt)


def test_a_number_cannot_be_put_together_from_what_is_stored(place: Place) -> None:
    """Section 4, 11: numbers are encrypted; what limits are counted under does not give their digits away."""
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    place.browser().start().sign_in().submit(button="sms").submit({"phone": NUMBER})
    for where, value in place.values():
        assert NUMBER[3:-4] not in value, f"{where} {value}"
