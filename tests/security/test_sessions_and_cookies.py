"""Section 3: sessions are rows that only the server can begin, and cookies are worth what the server says they are."""

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import url_for
from flask_login import login_required
from sqlalchemy import select
from werkzeug.routing import Rule

from idprotect import protection, sessions, users
from idprotect.api import ENDPOINTS as API_ENDPOINTS
from idprotect.api import PUBLIC as API_PUBLIC
from idprotect.models import AuditEvent, Authenticator, Device, SignIn, Token, session
from idprotect.web import PROTOCOL_ENDPOINTS
from tests.security.place import BROWSER, DEVICE, SESSION, Application, Place, Visitor
from tests.security.tour import Tour
from tests.support.world import (
    CHROME,
    MFA_POLICY,
    OTHER_ADDRESS,
    PASSWORD,
    REGISTRATION_POLICY,
    SIGN_IN_RISK_BLOCK,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    USER_RISK_POLICY,
)

NEW_PASSWORD = "eleven loud gulls under tin"


def is_alive(place: Place, cookies: dict[str, str]) -> bool:
    """Whether somebody with these cookies is let in."""
    thief = place.browser()
    thief.cookies = dict(cookies)
    return thief.is_signed_in


def knows_the_browser(place: Place) -> bool:
    """Whether the newest sign-in was in a familiar browser."""
    newest = select(SignIn).where(SignIn.succeeded).order_by(SignIn.signed_in_at.desc())
    with place.app.app_context():
        return bool(session().scalars(newest).first().known_device)


# The session


def test_the_database_knows_only_hashes_of_cookies(place: Place) -> None:
    """Section 3, server-side session store (A 7.2.1-3, N 5.1): random, 256 bits, and only the hash is stored."""
    place.make_user()
    visitor = place.signed_in()
    assert set(visitor.cookies) == {SESSION, BROWSER, DEVICE}
    stored = {value for _, value in place.values()}
    everything = "\n".join(stored)
    for value in visitor.cookies.values():
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", value)
        assert value not in everything
    for name in (SESSION, DEVICE):
        assert hashlib.sha256(visitor.cookies[name].encode()).hexdigest() in stored


def test_every_sign_in_gets_a_session_of_its_own(place: Place) -> None:
    """Section 3, A 7.2.2: no two ids are alike, and signing in again does not keep the old one."""
    place.make_user()
    visitor = place.browser()
    seen = set()
    for _ in range(5):
        visitor.cookies.pop(SESSION, None)
        visitor.start().sign_in()
        seen.add(visitor.cookies[SESSION])
    assert len(seen) == 5


def test_each_proof_changes_the_session_id_and_kills_the_old_one(place: Place) -> None:
    """Section 3, new id at password, second factor, password change (A 7.2.4): whoever copied the old one is out."""
    place.make_user(authenticators=("totp",))
    place.apply(USER_RISK_POLICY)
    place.act(protection.confirm_compromised, "ada", "admin")
    visitor = place.browser()
    visitor.cookies[SESSION] = secrets.token_urlsafe(32)
    kept = [dict(visitor.cookies)]
    visitor.start().sign_in()
    kept.append(dict(visitor.cookies))
    visitor.submit(action="/notice")
    visitor.submit({"code": place.totp()})
    kept.append(dict(visitor.cookies))
    assert visitor.step == "password_change"
    visitor.submit({"current": PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD})
    assert visitor.step == "account"
    ids = [jar[SESSION] for jar in (*kept, visitor.cookies)]
    assert len(set(ids)) == 4
    for old in kept:
        assert not is_alive(place, old)
    assert is_alive(place, visitor.cookies)


def test_an_old_id_does_not_even_reach_the_open_step(place: Place) -> None:
    """Section 3, A 7.2.4: before the second factor too, the id that was replaced is nobody's."""
    place.make_user(authenticators=("totp",))
    place.apply(MFA_POLICY, USER_RISK_POLICY)
    place.act(protection.confirm_compromised, "ada", "admin")
    visitor = place.browser().start().sign_in().submit(action="/notice")
    thief, step = visitor.copy(), visitor.path
    visitor.submit({"code": place.totp()})
    assert visitor.step == "password_change"
    assert thief.get(step).step == "sign_in"
    assert thief.get(visitor.path).step == "sign_in"


def test_signing_in_again_replaces_the_session(place: Place) -> None:
    """Section 3, new id at reauthentication (A 7.2.4): prompt=login gives another id, and the old one is dead."""
    place.make_user()
    place.add_application()
    visitor = place.signed_in()
    before = dict(visitor.cookies)
    visitor.ask_for_a_code(prompt="login")
    assert visitor.step == "sign_in"
    visitor.sign_in()
    assert visitor.step == "application"
    assert visitor.cookies[SESSION] != before[SESSION]
    assert not is_alive(place, before)


def test_a_voluntary_password_change_changes_the_id_and_ends_the_others(place: Place) -> None:
    """Section 3, password change ends the session elsewhere at once (A 7.4.3); here it goes on under a new id."""
    place.make_user()
    elsewhere, visitor = place.signed_in(address=OTHER_ADDRESS), place.signed_in()
    before = dict(visitor.cookies)
    visitor.get("/account/password").submit(
        {"current": PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    )
    assert visitor.step == "account"
    assert not is_alive(place, before)
    assert not elsewhere.is_signed_in
    assert visitor.is_signed_in


def test_a_new_factor_changes_the_id(place: Place) -> None:
    """Section 3, A 7.2.4: the session is worth more once a factor was proved in it."""
    place.make_user()
    place.apply(REGISTRATION_POLICY)
    visitor = place.browser().start().sign_in().submit(button="totp")
    before = dict(visitor.cookies)
    visitor.submit({"code": place.totp()})
    assert visitor.cookies[SESSION] != before[SESSION]
    assert not is_alive(place, before)
    assert visitor.is_signed_in


def test_a_copied_cookie_is_useless_after_signing_out(place: Place) -> None:
    """Section 3, logout ends the session on all workers at once (A 7.4.1): also in a process that knew it well."""
    place.make_user()
    other_process = place.restarted()
    visitor = place.signed_in()
    copied = dict(visitor.cookies)
    assert is_alive(other_process, copied)
    visitor.get("/sign-out").submit(action="/sign-out")
    assert SESSION not in visitor.cookies
    assert not is_alive(place, copied)
    assert not is_alive(other_process, copied)
    assert not visitor.is_signed_in


@pytest.mark.parametrize("how", ["revoked", "disabled", "temporary password", "compromised"])
def test_an_administrator_ends_every_session_at_once(place: Place, how: str) -> None:
    """Section 3, administrators end any session (A 7.4.5): at the next request of any process."""
    verbs = {
        "revoked": lambda user: sessions.end_all(user.id, "revoked", actor="admin"),
        "disabled": lambda user: users.set_enabled(user, False, "admin"),
        "temporary password": lambda user: users.set_temporary_password(user, "admin"),
        "compromised": lambda user: protection.confirm_compromised(user, "admin"),
    }
    place.make_user()
    place.make_user("bob")
    other_process = place.restarted()
    visitors = [place.signed_in(), place.signed_in(address=OTHER_ADDRESS)]
    bystander = place.signed_in("bob")
    place.act(verbs[how])
    assert [is_alive(server, v.cookies) for server in (place, other_process) for v in visitors] == [False] * 4
    assert bystander.is_signed_in


def test_a_session_ends_when_nobody_uses_it_and_at_last_in_any_case(place: Place) -> None:
    """Section 3, idle and absolute limits (A 7.3, section 14): an hour without use; a day however much it is used."""
    place.make_user()
    visitor = place.signed_in()
    for _ in range(2):
        place.clock.move(minutes=59)
        assert visitor.is_signed_in
    place.clock.move(minutes=61)
    assert not visitor.is_signed_in
    visitor.sign_in()
    for _ in range(25):
        place.clock.move(minutes=55)
        assert visitor.is_signed_in
    place.clock.move(minutes=50)
    assert visitor.is_signed_in, "after 23 hours and 45 minutes"
    place.clock.move(minutes=20)
    assert not visitor.is_signed_in, "after a day, though it was used all the time"


def test_a_session_that_ended_does_not_come_back_with_the_clock(place: Place) -> None:
    """Section 12, clock jumps: what was signed out stays out when time runs backwards."""
    place.make_user()
    visitor = place.signed_in()
    copied = dict(visitor.cookies)
    visitor.get("/sign-out").submit(action="/sign-out")
    place.clock.move(days=-1)
    assert not is_alive(place, copied)


def test_users_end_their_own_sessions_and_nobody_elses(place: Place) -> None:
    """C089, section 3, users see and end their sessions (A 7.5.2): with the tokens that came of them."""
    place.make_user()
    place.make_user("bob")
    place.add_application()
    away = place.browser(OTHER_ADDRESS, CHROME).ask_for_a_code().sign_in()
    tokens = Application(place).redeem(away.code)
    bob = place.signed_in("bob")
    visitor = place.signed_in()
    assert "Chrome on Windows" in visitor.text
    path, data = visitor.form(action="/end")
    bobs = place.rows(SignIn, SignIn.user_id == place.read(lambda user: user.id, "bob"))[0]
    foreign = visitor.send("POST", f"/account/sign-ins/{bobs.id}/end", data)
    assert foreign.response.status_code == 404
    assert bob.is_signed_in
    visitor.go("POST", path, data)
    assert visitor.step == "account"
    assert not away.is_signed_in
    assert Application(place).refresh(tokens["refresh_token"]).status_code == 400
    assert visitor.is_signed_in


# The cookies


def test_cookies_are_opaque_short_and_fenced_in(tour: Tour) -> None:
    """Section 3, cookies (A 3.3.x, N 5.1.1): __Host-, Secure, HttpOnly, SameSite, Path=/, everywhere."""
    seen = set()
    for exchange in tour.exchanges:
        for line in exchange.response.headers.getlist("Set-Cookie"):
            assert len(line) < 4096
            attributes = {part.strip().partition("=")[0].lower() for part in line.split(";")[1:]}
            assert {"secure", "httponly", "samesite", "path"} <= attributes, f"{exchange}: {line}"
            assert "domain" not in attributes
        for name, morsel in exchange.cookies.items():
            seen.add(name)
            assert name.startswith("__Host-")
            assert morsel["samesite"] in ("Lax", "Strict")
            assert morsel["path"] == "/"
            assert re.fullmatch(r"[A-Za-z0-9_-]{43}|", morsel.value)
    assert seen == {SESSION, BROWSER, DEVICE}, "the tour has to set and delete every cookie"


def test_cookies_of_a_development_server_are_fenced_in_too(make_a_place: Callable[..., Place]) -> None:
    """Section 3, cookies: over http a browser would refuse __Host-, everything else stays."""
    place = make_a_place(url="http://localhost:8000")
    place.make_user()
    place.signed_in()
    lines = [line for e in place.exchanges for line in e.response.headers.getlist("Set-Cookie")]
    expected = {name.removeprefix("__Host-") for name in (SESSION, BROWSER, DEVICE)}
    assert {line.partition("=")[0] for line in lines} == expected
    assert all("HttpOnly" in line and "SameSite=Lax" in line and "Path=/" in line for line in lines)


@pytest.mark.parametrize("second", ["the same", "another", "empty"])
def test_a_cookie_that_comes_twice_counts_as_none(place: Place, second: str) -> None:
    """Section 3, ambiguous cookies count as none: who could plant one beside the right one gains nothing."""
    place.make_user()
    visitor = place.signed_in()
    for name in (SESSION, BROWSER):
        waiting = visitor.copy().get("/sign-in")
        values = {"the same": visitor.cookies[name], "another": secrets.token_urlsafe(32), "empty": ""}
        for pair in ((visitor.cookies[name], values[second]), (values[second], visitor.cookies[name])):
            others = [f"{key}={value}" for key, value in visitor.cookies.items() if key != name]
            header = "; ".join([*others, *(f"{name}={value}" for value in pair)])
            path = "/account" if name == SESSION else waiting.path
            answer = visitor.copy().send("GET", path, cookie=header).response
            if name == SESSION:
                assert "/sign-in/" in answer.headers["Location"]
            else:
                assert answer.status_code == 400
    assert visitor.is_signed_in


def test_a_device_cookie_that_comes_twice_is_not_familiar(place: Place) -> None:
    """Section 3, ambiguous cookies count as none: of the device cookie, too."""
    place.make_user()
    visitor = place.signed_in()
    del visitor.cookies[SESSION]
    visitor.start()
    path, data = visitor.form("username")
    twice = [*visitor.cookies.items(), (DEVICE, visitor.cookies[DEVICE])]
    header = "; ".join(f"{name}={value}" for name, value in twice)
    visitor.send("POST", path, {**data, "username": "ada", "password": PASSWORD}, cookie=header)
    assert not knows_the_browser(place)


def test_cookie_values_that_a_client_chose_are_never_taken_over(place: Place) -> None:
    """Section 3, never adopted from the client (A 7.2.3): a planted value is replaced, and is worth nothing."""
    place.make_user()
    chosen = {name: secrets.token_urlsafe(32) for name in (SESSION, BROWSER, DEVICE)}
    victim = place.browser()
    victim.cookies = dict(chosen)
    victim.start().sign_in()
    assert victim.step == "account"
    for name in (SESSION, BROWSER, DEVICE):
        assert victim.cookies[name] != chosen[name], name
    assert not is_alive(place, chosen)
    attacker = place.browser()
    attacker.cookies = dict(chosen)
    attacker.start().sign_in()
    assert not knows_the_browser(place)


@pytest.mark.parametrize(
    "value", ["", "x", "x" * 42, "x" * 44, "é" * 43, "x" * 4000, "'; DROP TABLE", "\x01" * 43]
)
def test_a_cookie_of_another_form_is_nobodys(place: Place, value: str) -> None:
    """Section 3 and 9: no value of a cookie makes an error of ours."""
    visitor = place.browser()
    for name in (SESSION, BROWSER, DEVICE):
        header = f"{name}={value}".encode().decode("latin-1")
        answer = visitor.send("GET", "/account", cookie=header).response
        assert answer.status_code == 303
        assert "/sign-in/" in answer.headers["Location"]


# The device cookie


def test_a_browser_becomes_familiar_only_when_a_sign_in_was_completed(place: Place) -> None:
    """Section 3, device cookie: not for a wrong password, not before the second factor, not for a blocked sign-in."""
    place.make_user(authenticators=("totp",))
    place.make_user("bob")
    place.apply(MFA_POLICY.replace("then =", 'who = { users = ["ada"] }\nthen ='), SIGN_IN_RISK_BLOCK)
    place.list_address()
    blocked = place.browser(TOR_ADDRESS).start().sign_in("bob")
    assert blocked.step == "block"
    visitor = place.browser().start().fail().sign_in()
    assert visitor.step == "mfa"
    for unfinished in (blocked, visitor):
        assert DEVICE not in unfinished.cookies
    assert place.rows(Device) == []
    visitor.submit({"code": place.totp()})
    assert visitor.step == "account"
    assert DEVICE in visitor.cookies
    assert len(place.rows(Device)) == 1


def test_a_browser_is_familiar_to_the_person_who_used_it_only(place: Place) -> None:
    """Section 3, device cookie per user: ada's browser is not bob's."""
    place.make_user()
    place.make_user("bob")
    visitor = place.signed_in()
    del visitor.cookies[SESSION]
    visitor.start().sign_in("bob")
    assert not knows_the_browser(place)
    del visitor.cookies[SESSION]
    visitor.start().sign_in("ada")
    assert knows_the_browser(place), "several people may share a browser"
    del visitor.cookies[SESSION]
    visitor.start().sign_in("bob")
    assert knows_the_browser(place)


def test_a_device_cookie_of_somebody_else_is_not_taken_over(place: Place) -> None:
    """I4, section 8: who leaves his own cookie in a browser that ada uses later does not become familiar as ada."""
    place.make_user()
    place.make_user("mallory")
    attacker = place.signed_in("mallory", address=OTHER_ADDRESS)
    victim = place.browser()
    victim.cookies[DEVICE] = attacker.cookies[DEVICE]
    victim.start().sign_in("ada")
    assert victim.step == "account"
    assert victim.cookies[DEVICE] != attacker.cookies[DEVICE]
    attacker.cookies.pop(SESSION)
    attacker.start().sign_in("ada")
    assert not knows_the_browser(place)


@pytest.mark.parametrize("change", ["voluntary", "forced", "temporary"])
def test_a_password_change_makes_every_browser_strange(place: Place, change: str) -> None:
    """Section 3, device cookie dies at password change (A 7.4.3): whoever has the old password may sit at one."""
    place.make_user(authenticators=("totp",))
    place.make_user("bob")
    shared = place.signed_in("bob")
    del shared.cookies[SESSION]
    shared.start().sign_in()
    copied = shared.copy()
    visitor = place.signed_in(address=OTHER_ADDRESS)
    new = {"new": NEW_PASSWORD, "confirm": NEW_PASSWORD}
    if change == "voluntary":
        visitor.get("/account/password").submit({"current": PASSWORD, **new})
    elif change == "forced":
        place.apply(USER_RISK_POLICY)
        place.act(protection.confirm_compromised, "ada", "admin")
        visitor.start().sign_in().submit(action="/notice").submit({"code": place.totp()})
        visitor.submit({"current": PASSWORD, **new})
    else:
        temporary = place.act(users.set_temporary_password, "ada", "admin")
        visitor.start().sign_in(password=temporary).submit({"code": place.totp()}).submit(new)
    assert visitor.step == "account", visitor.text
    for browser in (shared, copied):
        browser.cookies.pop(SESSION, None)
        browser.start().sign_in(password=NEW_PASSWORD)
        assert not knows_the_browser(place)
    shared.cookies.pop(SESSION, None)
    copied.cookies.pop(SESSION, None)
    shared.start().sign_in(password=NEW_PASSWORD)
    assert knows_the_browser(place), "from now on it is familiar again"


def test_a_familiar_browser_is_never_a_factor(place: Place) -> None:
    """I8, section 4, remembering a device never replaces a step demanded by risk."""
    place.make_user(authenticators=("totp",))
    visitor = place.signed_in()
    place.apply(SIGN_IN_RISK_POLICY, USER_RISK_POLICY)
    place.list_address()
    visitor.headers["X-Forwarded-For"] = TOR_ADDRESS
    del visitor.cookies[SESSION]
    assert visitor.start().sign_in().step == "notice"
    assert knows_the_browser(place)
    place.act(protection.confirm_compromised, "ada", "admin")
    visitor.headers["X-Forwarded-For"] = OTHER_ADDRESS
    assert visitor.start().sign_in().step == "notice"
    stranger = place.browser(OTHER_ADDRESS)
    stranger.cookies[DEVICE] = visitor.cookies[DEVICE]
    assert stranger.start().step == "sign_in", "alone it signs nobody in"


# A session that has not passed all steps

OPEN_STEPS = ("mfa", "mfa_registration", "password_change", "block", "notice")
OTHER_STEPS = (*OPEN_STEPS, "review", "consent", "nonsense")

#: What whoever has the password reaches beside the open step: ways out, and what anybody reaches.
WAYS_OUT = frozenset({"cancel", "sign_out", "end_session", "leave", "start", "sign_in", "report_by_link"})
#: There with IDPROTECT_DEVELOPMENT only, and about nobody who is real.
DEVELOPMENT = frozenset({"outbox", "simulation", "simulate", "remove_simulation"})
PUBLIC = (
    frozenset(
        {
            "static",
            "health",
            "ready",
            "metrics",
            "jwks",
            "configuration",
            "authorization_server",
            "ssf_configuration",
        }
    )
    | DEVELOPMENT
    | {"device"}  # asks for the code that a device shows, and knows nobody
    | API_PUBLIC
)


def stopped_at(place: Place, step: str) -> Visitor:
    """Return a browser with the right password that is stopped at a step."""
    place.add_application()
    place.make_user(authenticators=() if step == "mfa_registration" else ("totp",))
    password = PASSWORD
    if step == "mfa":
        place.apply(MFA_POLICY)
    elif step == "mfa_registration":
        place.apply(REGISTRATION_POLICY)
    elif step == "notice":
        place.apply(USER_RISK_POLICY)
        place.act(protection.confirm_compromised, "ada", "admin")
    elif step == "block":
        place.act(users.set_enabled, "ada", False, "admin")
    elif step == "password_change":
        password = place.act(users.set_temporary_password, "ada", "admin")
    visitor = place.browser().ask_for_a_code().sign_in(password=password)
    if step == "password_change":
        visitor.submit({"code": place.totp()})
    assert visitor.step == step, visitor.text
    return visitor


@pytest.mark.parametrize("step", OPEN_STEPS)
def test_a_session_that_is_not_complete_reaches_nothing_but_the_open_step(place: Place, step: str) -> None:
    """I6, over the whole URL map: every other route treats it as nobody, and nothing is changed by it."""
    visitor = stopped_at(place, step)
    values = {**things_of_ada(place), "pending_id": visitor.pending_id}
    token = visitor.forms()[0]["fields"]["csrf_token"]
    form = {
        "csrf_token": token,
        "current": PASSWORD,
        "new": NEW_PASSWORD,
        "confirm": NEW_PASSWORD,
        "method": "totp",
    }
    before, tried = place.snapshot(), 0
    for rule in place.app.url_map.iter_rules():
        endpoint = rule.endpoint.rpartition(".")[2]
        if endpoint in PUBLIC | WAYS_OUT:
            continue
        for other in [name for name in OTHER_STEPS if name != step] if "step" in rule.arguments else [step]:
            path = path_of(place, rule, {**values, "step": other})
            for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
                caller = visitor.copy()
                caller.headers = dict(visitor.headers)
                caller.go(method, path, form if method == "POST" else None)
                told, tried = f"{method} {path}: {caller.step}, {caller.status}", tried + 1
                if endpoint in PROTOCOL_ENDPOINTS | API_ENDPOINTS:
                    assert caller.status in (400, 401, 404, 405), told  # 404: what is switched off
                elif endpoint == "confirm_device":
                    assert caller.status == 400, told  # no device shows this code, whoever asks
                else:
                    assert caller.step in (step, "sign_in"), told
                assert "ada@example.org" not in caller.page.text
    assert tried > 25
    assert place.snapshot() == before
    assert place.rows(Token) == []


def things_of_ada(place: Place) -> dict[str, str]:
    """Return what URLs can name, all of it ada's own."""
    with place.arranging():
        user, now = users.get("ada"), place.clock.now()
        earlier = SignIn(user_id=user.id, succeeded=True, signed_in_at=now, authenticated_at=now, amr=["pwd"])
        earlier.last_seen_at, earlier.expires_at = now, now + timedelta(days=1)
        session().add(earlier)
        session().flush()
        factor = session().scalars(select(Authenticator.id)).first()
        return {
            "authenticator_id": factor or "f" * 32,
            "sign_in_id": earlier.id,
            "client_id": "notes",
            "token": "forged",
            "filename": "idprotect.css",
        }


def path_of(place: Place, rule: Rule, values: dict[str, str]) -> str:
    """Return a path that leads to a rule."""
    with place.app.test_request_context(base_url=place.url):
        return url_for(rule.endpoint, **{name: values.get(name, "1") for name in rule.arguments})


def test_whoever_extends_the_server_sees_nobody_in_an_incomplete_session(place: Place) -> None:
    """I6: Flask-Login's current_user is anonymous until every step is passed."""
    place.app.add_url_rule("/mine", "mine", login_required(lambda: "only for people"))
    place.make_user(authenticators=("totp",))
    place.apply(MFA_POLICY)
    visitor = place.browser().start().sign_in()
    assert visitor.step == "mfa"
    assert "only for people" not in visitor.copy().get("/mine").page.text
    visitor.submit({"code": place.totp()})
    assert visitor.get("/mine").page.text == "only for people"


def test_cancel_and_sign_out_are_open_to_an_incomplete_session(place: Place) -> None:
    """I6: the way out is always open, and leads out."""
    place.make_user(authenticators=("totp",))
    place.apply(MFA_POLICY)
    place.add_application()
    visitor = place.browser().ask_for_a_code().sign_in()
    visitor.submit(action="/cancel/")
    assert "error=access_denied" in visitor.path
    copied = dict(visitor.cookies)
    visitor.get("/sign-out").submit(action="/sign-out")
    assert SESSION not in visitor.cookies
    visitor.cookies = copied
    assert visitor.ask_for_a_code().step == "sign_in"


def test_no_factor_is_changed_in_a_risky_session(place: Place) -> None:
    """F084: adding and removing a factor is refused, also to whoever sends the form straight on, and written down."""
    place.make_user("ada", authenticators=("totp",))
    place.list_address()
    thief = place.signed_in("ada", address=TOR_ADDRESS)
    (factor,) = place.rows(Authenticator)
    form = {"method": "totp", "csrf_token": thief.form("csrf_token")[1]["csrf_token"]}
    sent = ("/account/methods", f"/account/methods/{factor.id}/remove")
    for path in sent:
        assert thief.send("POST", path, form).response.status_code == 403, path
    assert thief.get("/account/methods").status == 403
    assert [row.id for row in place.rows(Authenticator)] == [factor.id]
    refused = place.rows(AuditEvent, AuditEvent.name == "factor:refused")
    assert len(refused) == len(sent) + 1
    assert {row.actor for row in refused} == {"ada"}
