"""Section 5, throttle: guessing gets slow for the guesser, and for nobody else."""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from idprotect import clients, retention, throttle, users
from idprotect.errors import TooManyAttempts
from idprotect.keys import sha256
from idprotect.models import Throttle, session
from idprotect.registration import DEVICE_CODE, Registration
from tests.security.place import CALLBACK, CLIENT_SECRET, SESSION, Place, Visitor
from tests.support.world import OTHER_ADDRESS, PASSWORD

ATTACKER = "192.0.2.66"


def attacker(place: Place, address: str = ATTACKER) -> Visitor:
    """Return the browser of somebody who guesses."""
    return place.browser(address).start()


def lets_in(place: Place, username: str = "ada", address: str = OTHER_ADDRESS) -> bool:
    """Whether the right password opens the door, in a strange browser."""
    visitor = place.browser(address).start().sign_in(username)
    assert visitor.status in (200, 429)
    return visitor.step == "account"


def statuses(visitor: Visitor, username: str, times: int) -> list[int]:
    """Return how so many wrong passwords are answered."""
    return [visitor.fail(username).status for _ in range(times)]


def test_each_failure_from_the_fifth_on_costs_more_time(place: Place) -> None:
    """Section 5 and 14, growing delay per account: 30 s after the fifth, doubling, at most 15 minutes."""
    place.make_user()
    assert statuses(attacker(place), "ada", 6) == [400] * 5 + [429]
    for seconds in (30, 60, 120, 240, 480, 900, 900):
        place.clock.move(seconds=seconds - 2)
        assert attacker(place).fail().status == 429, f"not yet after {seconds - 2} s"
        place.clock.move(seconds=3)
        assert attacker(place).fail().status == 400, f"again after {seconds + 1} s"
    place.clock.move(seconds=901)
    assert lets_in(place)
    assert statuses(attacker(place), "ada", 6) == [400] * 5 + [429], "after a success it begins anew"


def test_the_right_password_has_to_wait_too(place: Place) -> None:
    """Section 5: otherwise the wait would tell which password is right."""
    place.make_user()
    attacker(place).fail(times=5)
    refused = place.browser(OTHER_ADDRESS).start().sign_in()
    assert (refused.step, refused.status) == ("sign_in", 429)
    assert SESSION not in refused.cookies
    place.clock.move(seconds=31)
    assert lets_in(place)


def test_waiting_does_not_add_to_the_wait(place: Place) -> None:
    """Section 5, no permanent lock: tries that are too early are not counted, so the owner comes through in the end."""
    place.make_user()
    guesser = attacker(place)
    guesser.fail(times=30)
    place.clock.move(seconds=31)
    assert lets_in(place)


def test_nobody_else_has_to_wait(place: Place) -> None:
    """Section 5: other accounts at the same address go on."""
    place.make_user()
    place.make_user("bob")
    guesser = attacker(place)
    guesser.fail("ada", 8)
    assert guesser.copy().start().sign_in("bob").step == "account"
    assert lets_in(place, "bob", ATTACKER)


def test_a_familiar_browser_goes_on_while_an_attacker_fails(place: Place) -> None:
    """Section 5, familiar contexts keep working: her own browser is counted by itself, also from the same address."""
    place.make_user()
    owner = place.signed_in()
    del owner.cookies[SESSION]
    attacker(place, "198.51.100.10").fail(times=7)
    assert not lets_in(place, address="198.51.100.10")
    assert owner.start().sign_in().step == "account"
    assert not lets_in(place), "her success gives the attacker no new tries"


def test_a_familiar_browser_has_five_tries_as_well(place: Place) -> None:
    """Section 5: whoever sits at her browser, or copied its cookie, is slowed down too."""
    place.make_user()
    owner = place.signed_in()
    del owner.cookies[SESSION]
    thief = owner.copy()
    assert statuses(owner.start(), "ada", 3) == [400] * 3
    assert statuses(thief.start(), "ada", 3) == [400, 400, 429]
    assert owner.sign_in().status == 429
    assert lets_in(place), "a strange browser has its own count"


def test_a_browser_is_familiar_to_its_own_user_only(place: Place) -> None:
    """Section 5: an attacker with an account of his own has no count of his own at ada's."""
    place.make_user()
    place.make_user("mallory")
    guessers = [place.signed_in("mallory", address=f"192.0.2.{number}") for number in range(3)]
    answered = []
    for guesser in guessers:
        del guesser.cookies[SESSION]
        answered += statuses(guesser.start(), "ada", 2)
    assert answered == [400] * 5 + [429]


@pytest.mark.parametrize(
    "invented", ["nobody", "a name\twith a tab", "x" * 256, "ａｄａ-wide", "\N{OCTOPUS}"]
)
def test_names_that_nobody_has_are_slowed_down_alike(place: Place, invented: str) -> None:
    """Section 5, I9: the wait does not tell who exists."""
    place.make_user()
    known, unknown = attacker(place), attacker(place, "192.0.2.77")
    for _ in range(3):
        assert statuses(known, "ada", 6) == statuses(unknown, invented, 6)
        place.clock.move(seconds=31)


def test_the_spelling_of_a_name_gives_no_new_tries(place: Place) -> None:
    """Section 5, one canonical user name for lookup and throttle (A 2.2.1)."""
    place.make_user()
    guesser = attacker(place)
    names = ["ada", "ADA", "  ada ", "Ada", "ａｄａ", "aDa"]
    assert [guesser.fail(name).status for name in names] == [400] * 5 + [429]
    guesser = attacker(place)
    invented = ["nobody", "NOBODY", " nobody", "Nobody", "ｎｏｂｏｄｙ", "nobody "]
    assert [guesser.fail(name).status for name in invented] == [400] * 5 + [429]


@pytest.mark.parametrize(
    ("same", "other"),
    [
        (("192.0.2.66", "::ffff:192.0.2.66", "192.0.2.66", "192.0.2.66"), "192.0.2.67"),
        (("2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::1", "2001:0DB8::3"), "2001:db8:0:1::1"),
    ],
)
def test_an_address_that_tries_many_names_has_to_wait(
    make_a_place: Callable[..., Place], same: tuple[str, ...], other: str
) -> None:
    """Section 5, limits per address (/64 for IPv6): password spraying from one place ends soon."""
    place = make_a_place(IDPROTECT_PASSWORD_FAILURES_PER_ADDRESS=3)
    place.make_user()
    owner = place.signed_in(address=same[0])
    del owner.cookies[SESSION]
    answered = [attacker(place, address).fail(f"name{number}").status for number, address in enumerate(same)]
    assert answered == [400, 400, 400, 429]
    assert not lets_in(place, address=same[1])
    assert lets_in(place, address=other)
    assert owner.start().sign_in().step == "account", "a familiar browser behind the same address goes on"
    place.clock.move(minutes=16)
    assert lets_in(place, address=same[0])


def test_whoever_has_no_address_shares_one_count(make_a_place: Callable[..., Place]) -> None:
    """Section 8, unparsable = unknown: an address that cannot be told is no way around the limit."""
    place = make_a_place(IDPROTECT_PASSWORD_FAILURES_PER_ADDRESS=2)
    forged = ["unknown", "1.2.3.4.5", "fe80::1%eth0", "::ffff:999.1.1.1"]
    assert [attacker(place, address).fail(f"n{i}").status for i, address in enumerate(forged)] == [
        400,
        400,
        429,
        429,
    ]


def test_success_with_ones_own_account_gives_no_new_tries(make_a_place: Callable[..., Place]) -> None:
    """Section 5: success does not reset another's counter, neither the account's nor the address's."""
    place = make_a_place(IDPROTECT_PASSWORD_FAILURES_PER_ADDRESS=7)
    place.make_user()
    place.make_user("mallory")
    answered = []
    for _ in range(5):
        answered.append(attacker(place).fail("ada").status)
        assert attacker(place).sign_in("mallory").step == "account"
    answered += statuses(attacker(place), "ada", 1)
    assert answered == [400] * 5 + [429]
    more = [attacker(place).fail(f"name{number}").status for number in range(3)]
    assert more == [400, 400, 429], "seven failures of this address, whatever succeeded between them"


def test_counters_survive_a_restart_and_hold_in_every_process(place: Place) -> None:
    """Section 5, counters durable: another process, or the same one started anew, goes on counting."""
    place.make_user()
    processes = [place, place.restarted(), place.restarted()]
    answered = [attacker(processes[number % 3]).fail().status for number in range(6)]
    assert answered == [400] * 5 + [429]
    assert not lets_in(place.restarted())


def test_a_hundred_failures_in_a_row_disable_the_password(place: Place) -> None:
    """Section 5 and 14, 100 consecutive (N 3.2.2): a patient guesser gets no more; an administrator helps."""
    place.make_user()
    owner = place.signed_in()
    del owner.cookies[SESSION]
    attacker(place).fail()
    with place.arranging():
        session().execute(update(Throttle).where(Throttle.key.startswith("password:")).values(count=98))
    assert statuses(attacker(place), "ada", 2) == [400, 429]
    place.clock.move(seconds=901)
    assert statuses(attacker(place), "ada", 1) == [400], "the hundredth"
    for days in (1, 30, 360):
        place.clock.move(days=days)
        with place.arranging():
            retention.purge()
        assert not lets_in(place), "not even after the clean-up"
    assert owner.start().sign_in().step == "account", "but at her own browser"
    assert place.cli("user", "enable", "ada", "--reason", "she called").exit_code == 0
    assert lets_in(place)


def test_a_temporary_password_makes_the_way_free(place: Place) -> None:
    """Section 5: the administrator's reset forgets the failures, in familiar browsers as well."""
    place.make_user()
    owner = place.signed_in()
    del owner.cookies[SESSION]
    attacker(place).fail(times=6)
    owner.start().fail(times=6)
    temporary = place.act(users.set_temporary_password, "ada", "admin")
    assert owner.sign_in(password=temporary).step == "password_change"


def test_failures_are_remembered_for_longer_than_a_guesser_is_patient(place: Place) -> None:
    """Section 14: consecutive failures are counted over days, through the daily clean-up."""
    place.make_user()
    for day in range(6):
        assert attacker(place).fail().status == 400, day
        place.clock.move(days=1)
        with place.arranging():
            retention.purge()
    place.clock.move(days=-1)
    assert attacker(place).fail().status == 429


def test_the_current_password_is_guarded_by_the_same_count(place: Place) -> None:
    """Section 5: a stolen session is no place to guess the password in."""
    place.make_user()
    visitor = place.signed_in()
    new = {"new": "eleven loud gulls under tin", "confirm": "eleven loud gulls under tin"}
    for _ in range(5):
        visitor.get("/account/password").submit({"current": "a guess, not the password", **new})
        assert visitor.status == 400
    assert visitor.submit({"current": PASSWORD, **new}).status == 429


def test_a_clock_set_back_frees_nobody(place: Place) -> None:
    """Section 12, clock jumps: a wait is not shorter because the clock was put back."""
    place.make_user()
    attacker(place).fail(times=5)
    place.clock.move(hours=-1)
    assert not lets_in(place)
    place.clock.move(hours=1, seconds=31)
    assert lets_in(place)


def test_a_counter_of_a_window_says_how_long_it_is_full(place: Place) -> None:
    """Section 14: the time to wait is told truthfully, and after it the next event counts as the first."""
    with place.app.app_context():
        for _ in range(2):
            throttle.check("test", 2, timedelta(minutes=10))
        place.clock.move(minutes=4)
        with pytest.raises(TooManyAttempts) as refused:
            throttle.check("test", 2, timedelta(minutes=10))
        assert 355 <= refused.value.retry_after <= 361
        place.clock.move(minutes=6, seconds=1)
        throttle.check("test", 2, timedelta(minutes=10))
        assert throttle.counts(["test"], timedelta(minutes=10)) == {"test": 1}


def test_a_limit_over_all_accounts_and_addresses_slows_strangers_only(
    make_a_place: Callable[..., Place],
) -> None:
    """Section 5, global limit: a spray from many places, each below its own limits; familiar browsers go on."""
    place = make_a_place(IDPROTECT_PASSWORD_FAILURES_IN_ALL=6)
    place.make_user()
    owner = place.signed_in()
    del owner.cookies[SESSION]
    spray = [attacker(place, f"198.51.100.{number}").fail(f"name{number}").status for number in range(7)]
    assert spray == [400] * 6 + [429]
    assert not lets_in(place), "a strange browser waits, also with the right password"
    assert owner.start().sign_in().step == "account", "a familiar browser does not"
    place.clock.move(minutes=16)
    assert lets_in(place)


def test_success_does_not_count_towards_the_limit_over_all(make_a_place: Callable[..., Place]) -> None:
    """Section 5, global limit: only failures are counted, so busy mornings lock nobody out."""
    place = make_a_place(IDPROTECT_PASSWORD_FAILURES_IN_ALL=2)
    place.make_user()
    assert all(lets_in(place, address=f"198.51.100.{number}") for number in range(5))
    assert attacker(place).fail().status == 400


def test_a_password_beyond_the_limit_over_all_is_not_compared(make_a_place: Callable[..., Place]) -> None:
    """Section 5, I9: beyond the limit right and wrong, known and unknown are answered alike, and not counted."""
    place = make_a_place(IDPROTECT_PASSWORD_FAILURES_IN_ALL=2)
    place.make_user()
    assert statuses(attacker(place), "nobody", 2) == [400, 400]
    assert statuses(attacker(place, OTHER_ADDRESS), "ada", 3) == [429] * 3
    assert statuses(attacker(place, OTHER_ADDRESS), "nobody", 3) == [429] * 3
    assert not lets_in(place)
    place.clock.move(minutes=16)
    assert lets_in(place)


SECRET_ENDPOINTS = ("/token", "/revoke", "/introspect")


def present(place: Place, secret: str, address: str = ATTACKER, client_id: str = "notes") -> int:
    """Present a secret at the three endpoints in turn; return how it was answered."""
    path = SECRET_ENDPOINTS[len(place.exchanges) % 3]
    credentials = b64encode(f"{client_id}:{secret}".encode()).decode()
    form = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"}
    headers = {"Authorization": f"Basic {credentials}"}
    response = place.browser(address).send("POST", path, form, headers=headers).response
    if response.status_code in (401, 429):
        assert response.get_json()["error"] == "invalid_client"
        assert ("Retry-After" in response.headers) == (response.status_code == 429)
    return response.status_code


def test_wrong_client_secrets_are_throttled_at_every_endpoint(make_a_place: Callable[..., Place]) -> None:
    """Section 6, client authentication throttled: by client and address, whichever endpoint is tried."""
    place = make_a_place(IDPROTECT_CLIENT_SECRET_FAILURES=4)
    place.add_application()
    assert [present(place, f"wrong{number}") for number in range(6)] == [401] * 4 + [429] * 2
    assert present(place, CLIENT_SECRET) == 429, "the right one is not compared either"
    assert {present(place, CLIENT_SECRET, OTHER_ADDRESS) for _ in range(3)} <= {200, 400}, "elsewhere it is"
    place.clock.move(minutes=16)
    assert present(place, CLIENT_SECRET) in (200, 400)


def test_an_address_that_tries_many_clients_has_to_wait(make_a_place: Callable[..., Place]) -> None:
    """Section 6, by address: registered and invented names of clients count alike."""
    place = make_a_place(IDPROTECT_CLIENT_SECRET_FAILURES_PER_ADDRESS=3)
    place.add_application()
    names = ["invented", "notes", "another", "one more", "notes"]
    assert [present(place, "wrong", client_id=name) for name in names] == [401] * 3 + [429] * 2
    assert present(place, CLIENT_SECRET, OTHER_ADDRESS) in (200, 400)


def test_right_client_secrets_are_never_counted(make_a_place: Callable[..., Place]) -> None:
    """Section 6: a client that is right between wrong ones of its neighbours uses up none of their tries."""
    place = make_a_place(IDPROTECT_CLIENT_SECRET_FAILURES=3, IDPROTECT_CLIENT_SECRET_FAILURES_PER_ADDRESS=4)
    place.add_application()
    answered = []
    for _ in range(3):
        answered += [present(place, "wrong"), *(present(place, CLIENT_SECRET) for _ in range(3))]
    assert [status for status in answered if status == 401] == [401] * 3
    assert answered[-3:] == [429] * 3, "three wrong ones are the limit, whatever was right between them"
    assert 429 not in answered[:-3]


def keep(place: Place, path: str, method: str, address: str = ATTACKER) -> int:
    """Have something kept in the name of an application; return how that was answered."""
    form = {
        "client_id": "television",
        "scope": "openid",
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }
    secret = {} if method == "none" else {"client_secret": CLIENT_SECRET}
    response = place.browser(address).send("POST", path, form | secret).response
    if response.status_code == 429:
        assert response.get_json()["error"] == "slow_down"
        assert 0 < int(response.headers["Retry-After"]) <= 900
    return response.status_code


@pytest.mark.parametrize(("path", "kept"), [("/par", 201), ("/device-authorization", 200)])
def test_what_anybody_may_have_kept_is_limited(
    make_a_place: Callable[..., Place], path: str, kept: int
) -> None:
    """O 9126 2.3, section 9: of a public client by address, for right and wrong alike; one with a secret goes on."""
    place = make_a_place(IDPROTECT_PUBLIC_CLIENT_REQUESTS=3)
    wanted = Registration(
        client_name="Television",
        redirect_uris=(CALLBACK,),
        grant_types=("authorization_code", DEVICE_CODE),
        token_endpoint_auth_method="none",  # noqa: S106 (no secret)
    )
    with place.arranging():
        clients.create(wanted, by="test", client_id="television")
    assert [keep(place, path, "none") for _ in range(5)] == [kept] * 3 + [429] * 2
    assert keep(place, path, "none", OTHER_ADDRESS) == kept
    place.clock.move(minutes=16)
    assert keep(place, path, "none") == kept
    with place.arranging():
        row = clients.get("television")
        method = "client_secret_post"
        clients.change(row, replace(wanted, token_endpoint_auth_method=method), "test")
        row.secret_hash = sha256(CLIENT_SECRET)
    assert {keep(place, path, method) for _ in range(5)} == {kept}
