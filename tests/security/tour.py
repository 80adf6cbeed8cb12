"""One visitor's tour of everything: each page, each endpoint, each error, and every secret that came up on the way.

It is made once, and looked at by many tests: at its headers, its cookies, its log, and what it left on the disk.
"""

import base64
import logging
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyotp
import pytest
from sqlalchemy import event

from idprotect import clients, digests, protection, session_cookie, users
from idprotect.models import Client, session
from idprotect.registration import DEVICE_CODE, Registration
from idprotect.runtime import runtime
from tests.security.place import (
    CLIENT_SECRET,
    Application,
    Exchange,
    Place,
    Visitor,
    authorization,
)
from tests.support.world import (
    MFA_POLICY,
    OTHER_ADDRESS,
    PASSWORD,
    REGISTRATION_POLICY,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    USER_RISK_POLICY,
)
from tests.terms.rules import POLICY, make_terms

NEW_PASSWORD = "eleven loud gulls under tin"
THIRD_PASSWORD = "four grey otters past noon"
NUMBER = "+447400123456"


@dataclass
class Tour:
    """What was said and heard.

    :ivar secrets: what must be found nowhere, by name; long enough never to occur by chance.
    :ivar codes: six digits each, which do occur by chance inside of longer numbers.
    :ivar log: everything that was logged, at the most talkative level.
    """

    place: Place
    secrets: dict[str, list[str]] = field(default_factory=dict)
    codes: list[str] = field(default_factory=list)
    log: str = ""

    @property
    def exchanges(self) -> list[Exchange]:
        """Every request with its answer."""
        return self.place.exchanges

    @property
    def folder(self) -> Path:
        """The instance folder."""
        return self.place.folder

    def note(self, name: str, *values: str) -> None:
        """Remember secrets."""
        self.secrets.setdefault(name, []).extend(values)


class _Notebook(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


def make_tour(place: Place) -> Tour:
    """Go everywhere."""
    tour = Tour(place)
    notebook, root = _Notebook(), logging.getLogger()
    before = root.level
    talkative = [
        logging.getLogger(name) for name in ("idprotect", "sqlalchemy.engine", "sqlalchemy.pool", "authlib")
    ]
    levels = [logger.level for logger in talkative]
    root.addHandler(notebook)
    for logger in (root, *talkative):
        logger.setLevel(logging.DEBUG)
    statements: list[str] = []
    with place.app.app_context():
        event.listen(
            runtime().db.engine, "before_cursor_execute", lambda c, cur, text, *_: statements.append(text)
        )
    try:
        _go_everywhere(place, tour)
    finally:
        root.removeHandler(notebook)
        root.setLevel(before)
        for logger, level in zip(talkative, levels, strict=True):
            logger.setLevel(level)
    tour.note("cookie", *{v for e in place.exchanges for m in e.cookies.values() if (v := m.value)})
    for message in place.outbox().messages():
        if message.channel == "sms":
            tour.codes += re.findall(r"\b\d{6}\b", message.body)
        tour.note("report link", *re.findall(r"/report/(\S+)", message.body))
    keys = place.folder / "keys"
    for name in ("pepper", "field_key", "secret_key"):
        tour.note("key", (keys / name).read_text().strip())
    tour.log = "\n".join([*notebook.lines, *statements])
    return tour


def _go_everywhere(place: Place, tour: Tour) -> None:
    place.add_application()
    place.make_user("ada", name="Ada Lovelace")
    place.make_user("bob")
    tour.note("password", PASSWORD, NEW_PASSWORD, THIRD_PASSWORD)
    tour.note("client secret", CLIENT_SECRET, base64.b64encode(f"notes:{CLIENT_SECRET}".encode()).decode())
    ada = _register(place, tour)
    _use_tokens(place, tour, ada)
    _look_after_the_account(place, tour, ada)
    _recover(place, tour)
    _take_a_temporary_password(place, tour)
    _consent(place)
    _accept_terms(place)
    _connect_a_device(place, tour)
    _report(place)
    _make_mistakes(place)


def _register(place: Place, tour: Tour) -> Visitor:
    """A wrong password, a phone, an authenticator app, recovery codes."""
    place.apply(REGISTRATION_POLICY, SIGN_IN_RISK_POLICY, USER_RISK_POLICY)
    ada = place.browser().ask_for_a_code("openid profile email offline_access").fail().sign_in()
    ada.submit(button="sms").submit({"phone": "+1 900 555 0123"}).submit({"phone": NUMBER})
    tour.note("telephone number", NUMBER, NUMBER[3:], "7400 123456")
    ada.submit({"code": "000000"})
    place.clock.move(seconds=31)
    ada.submit(action="do=send").submit({"code": place.sms_code()})
    codes = re.findall(r"\b[A-Z2-9]{5}-[A-Z2-9]{5}-[A-Z2-9]{5}\b", ada.page.text)
    assert len(codes) == 10
    tour.note("recovery code", *codes, *(code.replace("-", "") for code in codes))
    ada.get(next(link for link in ada.links() if "/authorize/" in link))
    assert ada.step == "application"
    return ada


def _use_tokens(place: Place, tour: Tour, ada: Visitor) -> None:
    application = Application(place)
    tour.note("code", ada.code)
    tokens = application.redeem(ada.code)
    fresh = application.refresh(tokens["refresh_token"]).get_json()
    tour.note("token", tokens["id_token"])
    for answer in (tokens, fresh):
        tour.note("token", answer["access_token"], answer["refresh_token"])
    bearer = {"Authorization": f"Bearer {fresh['access_token']}"}
    assert ada.send("GET", "/userinfo", headers=bearer).response.status_code == 200
    assert application.post("/introspect", token=fresh["access_token"]).get_json()["active"]
    assert application.post("/revoke", token=fresh["access_token"]).status_code == 200
    assert application.refresh(tokens["refresh_token"]).status_code == 400
    assert application.post("/token", grant_type="authorization_code", code="wrong").status_code == 400


def _look_after_the_account(place: Place, tour: Tour, ada: Visitor) -> None:
    place.clock.move(minutes=2)
    with place.app.app_context():
        protection.dismiss(users.get("ada"), "test", "it was the tour that used a refresh token twice")
        session().commit()
    ada = place.browser().start().sign_in().start()
    place.apply(MFA_POLICY, REGISTRATION_POLICY, SIGN_IN_RISK_POLICY, USER_RISK_POLICY)
    ada.start()
    assert ada.step == "mfa"
    ada.submit(action="do=send").submit({"code": place.sms_code()})
    assert ada.step == "account"
    ada.get("/account/known").submit(action="known")
    ada.get("/account/methods").submit(button="totp")
    key = re.search(r"(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}", ada.text)
    assert key is not None
    seed = key.group().replace(" ", "")
    tour.note("seed", seed, key.group(), base64.b32decode(seed).hex())
    place._seeds["ada"] = seed
    code = place.totp()
    tour.codes += [code, pyotp.TOTP(seed).at(0)]
    ada.submit({"code": code})
    ada.start()
    assert "Authenticator app" in ada.text
    ada.get("/account/password").submit({"current": PASSWORD, "new": "short", "confirm": "short"})
    ada.submit({"current": PASSWORD, "new": NEW_PASSWORD, "confirm": NEW_PASSWORD})
    assert ada.step == "account"
    ada.get("/end-session")
    ada.get("/sign-out").submit(action="/sign-out")


def _recover(place: Place, tour: Tour) -> None:
    """A compromised user at a listed address: notice, challenge by recovery code, new password."""
    place.list_address()
    place.act(protection.confirm_compromised, "ada", "admin", "seen in a leak")
    ada = place.browser(TOR_ADDRESS).ask_for_a_code(state="s" * 40, nonce="n" * 40)
    ada.sign_in(password=NEW_PASSWORD).submit(action="/notice")
    assert ada.step == "mfa"
    ada.get(next(link for link in ada.links() if "recovery_code" in link).replace("&amp;", "&"))
    ada.submit({"code": tour.secrets["recovery code"][0]})
    assert ada.step == "password_change"
    ada.submit({"current": NEW_PASSWORD, "new": THIRD_PASSWORD, "confirm": "something else"})
    ada.submit({"current": NEW_PASSWORD, "new": THIRD_PASSWORD, "confirm": THIRD_PASSWORD})
    tour.note("code", ada.code)


def _take_a_temporary_password(place: Place, tour: Tour) -> None:
    temporary = place.act(users.set_temporary_password, "bob", "admin")
    tour.note("temporary password", temporary, temporary.replace("-", ""))
    place.apply(USER_RISK_POLICY)
    bob = place.browser(OTHER_ADDRESS).start().sign_in("bob", temporary)
    assert bob.step == "password_change"
    bob.submit({"new": THIRD_PASSWORD, "confirm": THIRD_PASSWORD})
    assert bob.step == "account"
    place.act(users.set_enabled, "bob", False, "admin")
    blocked = place.browser(OTHER_ADDRESS).start().sign_in("bob", THIRD_PASSWORD)
    assert blocked.step == "block"
    blocked.submit(action="/cancel/")


def _consent(place: Place) -> None:
    with place.arranging():
        session().get_one(Client, "notes").first_party = False
    place.make_user("cem")
    cem = place.browser().ask_for_a_code("openid profile").sign_in("cem")
    assert cem.step == "consent"
    cem.submit(button="allow")
    assert cem.step == "application"
    cem.start().submit(action="/revoke")
    assert cem.step == "account"


def _accept_terms(place: Place) -> None:
    make_terms(place)
    place.apply(POLICY)
    place.make_user("dot")
    dot = place.browser().ask_for_a_code("openid").sign_in("dot")
    assert dot.step == "terms_of_use"
    dot.submit(button="accept")
    dot.get("/account")
    assert dot.step == "account"
    dot.get("/account/terms/rules/1")
    place.apply(USER_RISK_POLICY)


def _connect_a_device(place: Place, tour: Tour) -> None:
    with place.arranging():
        television = Registration(
            client_name="Television", token_endpoint_auth_method="none", grant_types=(DEVICE_CODE,)
        )
        client, _ = clients.create(television, by="test")
        asked = {"client_id": client.id, "scope": "openid"}
    device = place.browser()
    codes = device.send("POST", "/device-authorization", asked).response.get_json()
    tour.note("device code", codes["device_code"])
    visitor = place.signed_in("cem", address=OTHER_ADDRESS)
    visitor.get("/device")
    visitor.get(f"/device/confirm?user_code={codes['user_code']}").submit(button="allow")
    # Nobody registers himself while that is switched off.
    for method, path in (("POST", "/register"), ("GET", "/register/x"), ("PUT", "/register/x")):
        device.go(method, path)


def _report(place: Place) -> None:
    cem = place.signed_in("cem", address=OTHER_ADDRESS)
    cem.get(next(link for link in cem.links() if link.endswith("/report")))
    cem.submit(action="/report")
    body = place.mails("password was changed")[0].body
    link = re.search(r"/report/\S+", body)
    assert link is not None
    place.browser().get(link.group()).submit(action="/report/")


def _make_mistakes(place: Place) -> None:
    """Every kind of error there is."""
    nobody = place.browser()
    nobody.get("/no-such-page")
    nobody.get("/account/no-such-page")
    nobody.get("/idprotect-static/idprotect.css")
    nobody.get("/idprotect-static/no-such-file")
    nobody.get("/idprotect-static/../keys.py")
    nobody.get("/report/forged")
    nobody.get("/sign-in/forged")
    nobody.get("/outbox")
    nobody.get("/simulation").submit(action="/simulation/new-phone")
    nobody.submit(action="/simulation/remove")
    nobody.get("/health")
    nobody.get("/health/ready")
    nobody.get("/metrics")
    with place.app.test_request_context(base_url=place.url):
        link = digests.unsubscribe_url("boss@example.org").removeprefix(place.url)
    nobody.get(link).submit(action="/digest/unsubscribe/")
    nobody.get(f"{link}x")
    nobody.get("/jwks")
    nobody.get("/.well-known/ssf-configuration")
    nobody.get("/ssf/stream")
    nobody.get("/ssf/status")
    nobody.go("POST", "/signals/x", {})
    for path in ("/ssf/subjects/add", "/ssf/subjects/remove", "/ssf/verification", "/ssf/poll"):
        nobody.go("POST", path, {})
    nobody.get("/.well-known/openid-configuration")
    nobody.get("/.well-known/oauth-authorization-server")
    nobody.get("/authorize?" + urlencode(authorization(client_id="unknown")))
    nobody.get("/authorize?" + urlencode(authorization(redirect_uri="https://evil.example")))
    nobody.get("/authorize?" + urlencode(authorization(prompt="none")))
    nobody.get("/authorize?" + urlencode(authorization(request="x.y.z")))
    nobody.go("POST", "/authorize", authorization())
    nobody.get("/userinfo")
    nobody.go("GET", "/token")
    nobody.go("POST", "/account")
    nobody.go("PUT", "/sign-out")
    nobody.go("TRACE", "/account")
    nobody.go("OPTIONS", "/account")
    nobody.go("HEAD", "/sign-out")
    nobody.go("POST", "/introspect", {"token": "x"})
    nobody.go("POST", "/revoke", {"token": "x"})
    nobody.go("POST", "/par", {"client_id": "x"})
    nobody.go("POST", "/sign-out", {})
    nobody.go("POST", "/sign-out", {}, headers={"Sec-Fetch-Site": "cross-site"})
    nobody.go("POST", "/sign-out", {"x": "x" * 70_000})
    nobody.go("POST", "/token", {"x": "x" * 70_000})
    nobody.get("/sign-in?" + "x" * 9000)
    nobody.get("/" + "x" * 2000)
    nobody.send("GET", "/account", headers={"Host": "evil.example"})
    nobody.start().fail("nobody", 7)
    _let_it_break(place, nobody)


def _let_it_break(place: Place, nobody: Visitor) -> None:
    """Our own fault: an error nobody thought of, on a page and at an endpoint."""

    def fall(*_: Any) -> None:
        raise ZeroDivisionError("with a secret in it: " + PASSWORD[:0])

    place.app.testing = False
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session_cookie, "_read", fall)
        nobody.cookies["__Host-idprotect-session"] = "x" * 43
        assert nobody.get("/account").status == 500
        assert nobody.get("/").status == 500
        patch.setattr("idprotect.oidc.requests.read", fall)
        assert nobody.go("POST", "/token", {}).status == 500
