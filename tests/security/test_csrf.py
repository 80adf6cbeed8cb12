"""Section 3: nothing changes but by a form of ours, sent by the browser that it was made for; and never by a GET."""

import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from flask import url_for

from idprotect import clients, notifications, protection, users
from idprotect.api import ENDPOINTS as API_ENDPOINTS
from idprotect.api import PUBLIC as API_PUBLIC
from idprotect.models import Authenticator, PendingAuthorization, SignIn, User, session
from idprotect.registration import DEVICE_CODE, Registration
from idprotect.web import PROTOCOL_ENDPOINTS
from tests.security.place import SESSION, Place, Visitor, authorization
from tests.support.world import (
    MFA_POLICY,
    OTHER_ADDRESS,
    PASSWORD,
    REGISTRATION_POLICY,
    SIGN_IN_RISK_BLOCK,
    TOR_ADDRESS,
    USER_RISK_POLICY,
)

NEW_PASSWORD = "eleven loud gulls under tin"
NEW = {"new": NEW_PASSWORD, "confirm": NEW_PASSWORD}


class Shot(NamedTuple):
    """A form of somebody's page, filled and ready to be sent."""

    visitor: Visitor
    path: str
    data: dict[str, str]


Aim = Callable[[Place], Shot]


def _filled(visitor: Visitor, values: dict[str, str] | None = None, **where: str) -> Shot:
    path, data = visitor.form(*(values or {}), **where)
    return Shot(visitor, path, {**data, **(values or {})})


def _stopped(place: Place, *policies: str, factor: bool = True) -> Visitor:
    place.make_user(authenticators=("totp", "sms") if factor else ())
    place.apply(*policies)
    return place.browser().start().sign_in()


def _signing_in(place: Place) -> Shot:
    place.make_user()
    return _filled(place.browser().start(), {"username": "ada", "password": PASSWORD})


def _cancelling(place: Place) -> Shot:
    place.add_application()
    return _filled(place.browser().ask_for_a_code(), action="/cancel/")


def _noticing(place: Place) -> Shot:
    place.make_user(authenticators=("totp",))
    place.apply(USER_RISK_POLICY)
    place.act(protection.confirm_compromised, "ada", "admin")
    return _filled(place.browser().start().sign_in(), action="/notice")


def _proving(place: Place) -> Shot:
    visitor = _stopped(place, MFA_POLICY)
    return _filled(visitor, {"code": place.totp()})


def _sending_a_code(place: Place) -> Shot:
    visitor = _stopped(place, MFA_POLICY)
    link = next(link for link in visitor.links() if "method=" in link and "recovery" not in link)
    return _filled(visitor.get(link.replace("&amp;", "&")), action="do=send")


def _choosing_a_method(place: Place) -> Shot:
    return _filled(_stopped(place, REGISTRATION_POLICY, factor=False), button="totp")


def _putting_registration_off(place: Place) -> Shot:
    return _filled(_stopped(place, REGISTRATION_POLICY, factor=False), action="do=skip")


def _giving_a_number(place: Place) -> Shot:
    visitor = _stopped(place, REGISTRATION_POLICY, factor=False).submit(button="sms")
    return _filled(visitor, {"phone": "07400 123456"})


def _registering_an_app(place: Place) -> Shot:
    visitor = _stopped(place, REGISTRATION_POLICY, factor=False).submit(button="totp")
    return _filled(visitor, {"code": place.totp()})


def _choosing_a_password(place: Place) -> Shot:
    place.make_user()
    temporary = place.act(users.set_temporary_password, "ada", "admin")
    return _filled(place.browser().start().sign_in(password=temporary), NEW)


def _consenting(place: Place) -> Shot:
    place.add_application(first_party=False)
    place.make_user()
    return _filled(place.browser().ask_for_a_code().sign_in(), button="allow")


def _reviewing(place: Place) -> Shot:
    place.make_user()
    home = place.signed_in()
    place.list_address()
    place.apply(SIGN_IN_RISK_BLOCK)
    assert place.browser(TOR_ADDRESS).start().sign_in().step == "block"
    del home.cookies[SESSION]
    home.start().sign_in()
    assert home.step == "review", home.text
    return _filled(home, button="yes")


def _downloading(place: Place) -> Shot:
    place.make_user()
    return _filled(place.signed_in().get("/account/known"), action="known")


def _changing_the_password(place: Place) -> Shot:
    place.make_user()
    return _filled(place.signed_in().get("/account/password"), {"current": PASSWORD, **NEW})


def _adding_a_method(place: Place) -> Shot:
    place.make_user()
    return _filled(place.signed_in().get("/account/methods"), button="totp")


def _removing_a_method(place: Place) -> Shot:
    visitor = _stopped(place, MFA_POLICY).submit({"code": place.totp()})
    return _filled(visitor, action="/remove")


def _ending_a_sign_in(place: Place) -> Shot:
    place.make_user()
    place.signed_in(address=OTHER_ADDRESS)
    return _filled(place.signed_in(), action="/end")


def _reporting(place: Place) -> Shot:
    place.make_user()
    visitor = place.signed_in()
    visitor.get(next(link for link in visitor.links() if link.endswith("/report")))
    return _filled(visitor, action="/report")


def _revoking_consent(place: Place) -> Shot:
    shot = _consenting(place)
    shot.visitor.go("POST", shot.path, shot.data)
    return _filled(shot.visitor.start(), action="/revoke")


def _reporting_by_link(place: Place) -> Shot:
    place.make_user()
    place.signed_in().get("/account/password").submit({"current": PASSWORD, **NEW})
    link = re.search(r"/report/\S+", place.mails("password was changed")[0].body)
    assert link is not None
    return _filled(place.browser().get(link.group()), action="/report/")


def _allowing_a_device(place: Place) -> Shot:
    place.make_user()
    with place.arranging():
        television = Registration(
            client_name="Television", token_endpoint_auth_method="none", grant_types=(DEVICE_CODE,)
        )
        client, _ = clients.create(television, by="test")
        asked = {"client_id": client.id, "scope": "openid"}
    codes = place.app.test_client().post("/device-authorization", data=asked, base_url=place.url).get_json()
    visitor = place.signed_in().get(f"/device/confirm?user_code={codes['user_code']}")
    return _filled(visitor, button="allow")


def _signing_out(place: Place) -> Shot:
    place.make_user()
    return _filled(place.signed_in().get("/sign-out"), action="/sign-out")


def _leaving(place: Place) -> Shot:
    place.make_user()
    return _filled(place.signed_in().get("/end-session"), action="/end-session/leave")


def _playing(place: Place) -> Shot:
    return _filled(place.browser().get("/simulation"), action="/simulation/new-phone")


def _removing_what_was_played(place: Place) -> Shot:
    return _filled(place.browser().get("/simulation"), action="/simulation/remove")


#: Every form there is, with the endpoint that takes it.
FORMS: dict[str, tuple[str, Aim]] = {
    "sign in": ("sign_in", _signing_in),
    "cancel": ("cancel", _cancelling),
    "go on from a notice": ("interaction", _noticing),
    "prove a factor": ("interaction", _proving),
    "send a code": ("interaction", _sending_a_code),
    "choose a method": ("interaction", _choosing_a_method),
    "put registration off": ("interaction", _putting_registration_off),
    "give a number": ("interaction", _giving_a_number),
    "register an app": ("interaction", _registering_an_app),
    "choose a password": ("interaction", _choosing_a_password),
    "consent": ("interaction", _consenting),
    "review a sign-in": ("interaction", _reviewing),
    "download what is known": ("known", _downloading),
    "change the password": ("password", _changing_the_password),
    "add a method": ("add_method", _adding_a_method),
    "remove a method": ("remove_method", _removing_a_method),
    "end a sign-in": ("end_sign_in", _ending_a_sign_in),
    "report a sign-in": ("report_sign_in", _reporting),
    "revoke consent": ("revoke_consent", _revoking_consent),
    "report by a link": ("report_by_link", _reporting_by_link),
    "allow a device": ("confirm_device", _allowing_a_device),
    "sign out": ("sign_out", _signing_out),
    "leave": ("leave", _leaving),
    "play a scenario": ("simulate", _playing),
    "remove what was played": ("remove_simulation", _removing_what_was_played),
}


def effects(place: Place) -> object:
    """Return everything that a form may change, and what was sent."""
    with place.app.app_context():
        used = (
            session()
            .query(PendingAuthorization.id)
            .filter(PendingAuthorization.consumed_at.is_not(None))
            .all()
        )
    return place.snapshot(), sorted(used), len(place.outbox().messages())


@pytest.mark.parametrize("form", FORMS)
def test_a_form_is_taken_only_from_the_browser_and_page_that_it_was_made_for(place: Place, form: str) -> None:
    """Section 3, CSRF on every state change, login and interstitials included (A 3.5.1, N 5.1)."""
    visitor, path, data = FORMS[form][1](place)
    without = {name: value for name, value in data.items() if name != "csrf_token"}
    stranger = place.browser(OTHER_ADDRESS).get("/sign-in")
    foreign = stranger.forms()[0]["fields"]["csrf_token"]
    other_page = "/account" if form == "sign out" else "/sign-out"
    other_purpose = visitor.copy().get(other_page).forms()
    other = [f["fields"]["csrf_token"] for f in other_purpose if "csrf_token" in f["fields"]]
    token = data["csrf_token"]
    ours = {"Origin": place.url, "Sec-Fetch-Site": "same-origin"}
    attacks = {
        "no token": (without, ours),
        "an empty token": ({**without, "csrf_token": ""}, ours),
        "a token of another browser": ({**without, "csrf_token": foreign}, ours),
        "a token with another expiry": (
            {**without, "csrf_token": "20991231235959##" + token.partition("##")[2]},
            ours,
        ),
        "a token that was tampered with": ({**without, "csrf_token": token[:-1] + "x"}, ours),
        "another site": (data, {"Origin": "https://evil.example"}),
        "a site whose name begins like ours": (data, {"Origin": place.url + ".evil.example"}),
        "our name without TLS": (data, {"Origin": place.url.replace("https", "http")}),
        "a page without origin": (data, {"Origin": "null"}),
        "another site, says the browser": (data, {"Sec-Fetch-Site": "cross-site"}),
    }
    for number, purpose in enumerate(dict.fromkeys(other)):
        if form != "sign in":  # nobody is signed in there, so there is no other form
            attacks[f"a token of another purpose {number}"] = ({**without, "csrf_token": purpose}, ours)
    before = effects(place)
    for attack, (sent, headers) in attacks.items():
        answer = visitor.copy().send("POST", path, sent, headers=headers)
        assert answer.response.status_code in (400, 403), f"{attack}: {answer}"
        assert SESSION not in answer.cookies, attack
        assert effects(place) == before, attack
    query = visitor.copy().send("GET", path.partition("?")[0] + "?" + urlencode(data))
    assert query.response.status_code != 500
    assert effects(place) == before, "by GET"
    done = visitor.send("POST", path, data, headers=ours)
    assert done.response.status_code in (200, 303), f"the form itself is good: {done} {done.response.text}"
    assert effects(place) != before, "and it changes something"


def test_every_route_that_takes_a_form_is_tried_here(place: Place) -> None:
    """Section 3, over all routes: a new one has to be added to FORMS, or to the endpoints for applications.

    The console's are tried in ``tests/admin``.
    """
    tried = (
        {endpoint for endpoint, _ in FORMS.values()}
        | PROTOCOL_ENDPOINTS
        | API_ENDPOINTS
        | (API_PUBLIC - {"openapi"})
    )
    taking = {
        rule.endpoint.rpartition(".")[2]
        for rule in place.app.url_map.iter_rules()
        if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
        and not rule.endpoint.startswith("idprotect_admin")
    }
    assert taking == tried


def test_a_token_does_not_outlive_its_sign_in(place: Place) -> None:
    """I4: bound to one session: the same browser, signed in anew or as somebody else, needs a new page."""
    place.make_user()
    place.make_user("bob")
    visitor = place.signed_in()
    path, data = visitor.get("/sign-out").form(action="/sign-out")
    for username in ("ada", "bob"):
        del visitor.cookies[SESSION]
        visitor.start().sign_in(username)
        assert visitor.go("POST", path, data).status == 400
        assert visitor.is_signed_in


def test_a_sign_in_form_fits_one_pending_authorization(place: Place) -> None:
    """Section 3: nobody is signed in by the form of another page of the same browser."""
    place.make_user()
    visitor = place.browser().start()
    _, data = visitor.form("username")
    visitor.start()
    path, _ = visitor.form("username")
    visitor.go("POST", path, {**data, "username": "ada", "password": PASSWORD})
    assert visitor.status == 400
    assert SESSION not in visitor.cookies


def test_a_token_is_worth_nothing_to_another_server(make_a_place: Callable[..., Place]) -> None:
    """Section 11: the key of forms is the server's own file."""
    one, other = make_a_place(), make_a_place()
    (other.folder / "keys" / "secret_key").write_text("ab" * 32)
    restarted = other.restarted()
    visitor = one.browser().get("/sign-out")
    path, data = visitor.get("/sign-in").form("username")
    stranger = Visitor(restarted, "198.51.100.10", "x")
    stranger.cookies = dict(visitor.cookies)
    assert stranger.get("/sign-in").form("username")[1]["csrf_token"] != data["csrf_token"]


# GET, HEAD and OPTIONS

#: A GET at the authorize endpoint gives out a code, by RFC 6749; the other two methods must not.
GIVES_OUT_CODES = frozenset({"authorize", "resume"})


@pytest.mark.parametrize("who", ["anonymous", "incomplete", "signed in"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_looking_changes_nothing(place: Place, method: str, who: str) -> None:
    """Section 3, no state change by GET, HEAD or OPTIONS (A 3.5.3): over the whole URL map, by what is stored."""
    place.add_application(first_party=False)
    user_id = place.make_user(authenticators=("totp",))
    visitor = place.browser().ask_for_a_code()
    if who != "anonymous":
        visitor.sign_in().submit(button="allow")
        visitor.start()
    link = "forged"
    with place.app.test_request_context(base_url=place.url):
        link = notifications.report_token(session().get_one(User, user_id))
    if who == "incomplete":
        place.apply(USER_RISK_POLICY)
        place.act(protection.confirm_compromised, "ada", "admin", end_sessions=False)
    waiting = visitor.twin()
    waiting.headers = dict(visitor.headers)
    waiting.ask_for_a_code(prompt="consent")
    pending_id = waiting.pending_id if waiting.step != "application" else "x"
    sign_ins = place.rows(SignIn)
    values = {
        "pending_id": pending_id,
        "authenticator_id": _first_factor(place),
        "sign_in_id": sign_ins[0].id if sign_ins else "x",
        "client_id": "notes",
        "token": link,
        "filename": "idprotect.js",
        "user_id": user_id,
        "event_id": 1,
        "detection_id": "x",
        "number": 1,
        "rest": "x",
        "draft_id": "x",
        "source_id": "x",
        "ending": "csv",
        "path": "x",
        "act_name": "block",
        "name": "new-phone",
        "state": "off",
        "kind": "user-risk",
        "version": 1,
    }
    before = effects(place)
    for rule in place.app.url_map.iter_rules():
        endpoint = rule.endpoint.rpartition(".")[2]
        if method not in (rule.methods or ()) or (method == "GET" and endpoint in GIVES_OUT_CODES):
            continue
        for step in ("notice", "mfa", "consent") if "step" in rule.arguments else ("",):
            with place.app.test_request_context(base_url=place.url):
                path = url_for(
                    rule.endpoint,
                    **{n: v for n, v in {**values, "step": step}.items() if n in rule.arguments},
                )
            query = {
                "answer": "allow",
                "do": "send",
                "method": "totp",
                "phone": "new",
                "new": "1",
                "username": "ada",
            }
            query |= authorization() if endpoint == "authorize" else {}
            for asked in (path, f"{path}?{urlencode(query)}"):
                answer = visitor.twin().send(method, asked)
                assert answer.response.status_code < 500, answer
                assert effects(place) == before, f"{answer} for somebody {who}"


def _first_factor(place: Place) -> str:
    return str(place.rows(Authenticator)[0].id)


def test_a_code_is_not_given_out_by_head(place: Place) -> None:
    """Section 3, A 3.5.3: HEAD at the authorize endpoint gives nothing out and uses nothing up."""
    place.add_application()
    place.make_user()
    visitor = place.browser().ask_for_a_code(prompt="login")
    path, data = visitor.form("username")
    resume = visitor.send("POST", path, {**data, "username": "ada", "password": PASSWORD}).response.headers[
        "Location"
    ]
    before = effects(place)
    for asked in (resume, "/authorize?" + urlencode(authorization())):
        assert visitor.send("HEAD", asked).response.headers.get("Location") is None
        assert effects(place) == before
    assert visitor.get(resume).code
