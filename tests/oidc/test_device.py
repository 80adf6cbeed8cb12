"""Devices without a keyboard (RFC 8628): the gate decides when a person allows one, and when it comes for its tokens."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest

from idprotect import clients, protection
from idprotect.registration import DEVICE_CODE
from tests.oidc.server import Application, Person, Server, error_of

GRANT = {"grant_types": (DEVICE_CODE, "refresh_token"), "redirect_uris": ()}
SCOPE = "openid profile offline_access"
#: What a browser says of requests that another site caused.
FOREIGN_SITE = {"Sec-Fetch-Site": "cross-site"}


def television(server: Server, **options: Any) -> Application:
    """Register an application for devices."""
    given = {"client_name": "Television", "token_endpoint_auth_method": "none", "first_party": False, **GRANT}
    return server.registered(**{**given, **options})


@dataclass
class Device:
    """A device that shows a code."""

    application: Application
    codes: dict[str, Any]

    def poll(self, wait: float = 6, **changes: str) -> Any:
        """Ask for tokens, after a while."""
        self.application.server.clock.move(seconds=wait)
        form = {"grant_type": DEVICE_CODE, "device_code": self.codes["device_code"], **changes}
        return self.application.post("/token", **form)

    @property
    def state(self) -> str:
        """What it is told."""
        return error_of(self.poll())[1]


def switch_on(application: Application, **changes: str) -> Device:
    """Let a device ask for its codes."""
    answer = application.post("/device-authorization", **{"scope": SCOPE, **changes})
    assert answer.status_code == 200, answer.text
    return Device(application, dict(answer.get_json()))


def type_code(person: Person, device: Device) -> Person:
    """Type the code that a device shows."""
    page = person.send("GET", "/device")
    assert 'action="/device/confirm"' in page.text
    return person.go("/device/confirm?" + urlencode({"user_code": device.codes["user_code"]}))


@pytest.fixture
def device(server: Server) -> Device:
    """A television that was switched on."""
    return switch_on(television(server))


def test_a_device_gets_tokens_of_whoever_allows_it(server: Server, person: Person, device: Device) -> None:
    """C013, O 8628 3: codes, a page that shows who asks and the code, tokens with the person's own facts."""
    assert device.codes["verification_uri"] == "https://id.example/device"
    assert (device.codes["interval"], device.codes["expires_in"]) == (5, 600)
    assert device.state == "authorization_pending"
    type_code(person, device).sign_in()
    assert person.step == "/device/confirm"
    assert "Television" in person.page.text
    assert device.codes["user_code"] in person.page.text
    assert device.state == "authorization_pending"
    person.submit(button="allow")
    assert "connected" in person.page.text
    tokens = device.poll().get_json()
    claims = device.application.claims(tokens["id_token"])
    assert (claims["sub"], claims["amr"], claims["acr"]) == (person.user_id, ["pwd"], "aal1")
    assert device.application.userinfo(tokens["access_token"]).get_json()["sub"] == person.user_id
    assert device.application.refresh(tokens["refresh_token"]).status_code == 200
    assert "Television" in person.go("/account").page.text, "what was allowed can be taken back"


def test_the_device_code_works_once(signed_in: Person, device: Device) -> None:
    """O 8628 3.4: single use; the code that a person typed, too."""
    type_code(signed_in, device).submit(button="allow")
    assert device.poll().status_code == 200
    assert error_of(device.poll()) == (400, "invalid_grant")
    assert type_code(signed_in, device).page.status_code == 400


def test_a_code_in_a_link_is_still_confirmed(person: Person, device: Device) -> None:
    """O 8628 3.3.1 and 5.4: nothing is allowed by opening a link."""
    person.go(device.codes["verification_uri_complete"].removeprefix("https://id.example")).sign_in()
    assert person.step == "/device/confirm"
    assert device.state == "authorization_pending"


def test_a_code_may_be_typed_in_any_way(signed_in: Person, device: Device) -> None:
    """O 8628 6.1: small letters, spaces, no hyphen."""
    letters = device.codes["user_code"].replace("-", "").lower()
    signed_in.go("/device/confirm?" + urlencode({"user_code": f" {letters[:3]} {letters[3:]} "}))
    assert signed_in.step == "/device/confirm"


def test_whoever_denies_gives_nothing(signed_in: Person, device: Device) -> None:
    """O 8628 3.5: access_denied, for good."""
    type_code(signed_in, device).submit(button="deny")
    assert [device.state, device.state] == ["access_denied", "access_denied"]
    type_code(signed_in, device)
    assert signed_in.page.status_code == 400


def test_every_interruption_stands_before_the_answer(server: Server) -> None:
    """Section 2: a second factor first; who is not wanted does not get to the question."""
    first = switch_on(television(server))
    careful = type_code(server.person(authenticators=("totp",), groups=("careful",)), first).sign_in()
    assert careful.step == "mfa"
    assert careful.prove().step == "/device/confirm"
    careful.submit(button="allow")
    tokens = first.poll().get_json()
    assert first.application.claims(tokens["id_token"])["acr"] == "aal2"
    second = switch_on(television(server))
    assert type_code(server.person(groups=("unwanted",)), second).sign_in().step == "block"
    assert second.state == "authorization_pending"


def test_risk_after_the_answer_stops_the_device(server: Server, signed_in: Person, device: Device) -> None:
    """I3: the gate decides at the poll, too; once the person has recovered, the device goes on."""
    type_code(signed_in, device).submit(button="allow")
    server.act(protection.confirm_compromised, signed_in.username, "admin", "leak", end_sessions=False)
    assert error_of(device.poll()) == (400, "invalid_grant")
    server.act(protection.dismiss, signed_in.username, "admin", "no")
    assert device.poll().status_code == 200


def test_a_sign_in_that_has_ended_gives_nothing(signed_in: Person, device: Device) -> None:
    """I2: what was allowed rests on a sign-in."""
    type_code(signed_in, device).submit(button="allow")
    signed_in.go("/sign-out").submit()
    assert error_of(device.poll()) == (400, "invalid_grant")


def test_a_consent_that_was_taken_back_gives_nothing(signed_in: Person, device: Device) -> None:
    """Section 7: what the application would get by it goes, too, also what it has not fetched yet."""
    type_code(signed_in, device).submit(button="allow")
    signed_in.go("/account").submit(action=f"/account/consents/{device.application.id}/revoke")
    assert error_of(device.poll())[0] == 400


def test_a_device_learns_no_subject_of_somebody_else_s_sector(server: Server) -> None:
    """OIDC Core 8.1: no redirect shows whose client it is, so it is alone in its sector."""
    theirs = {"redirect_uris": ("https://victim.example/callback",), "subject_type": "pairwise"}
    device, web = television(server, **theirs), server.registered(client_name="Web", **theirs)
    with server.arranging():
        assert web.row().sector == "victim.example"
        assert device.row().sector == device.id


@pytest.mark.parametrize("change", ["disabled", "scope removed", "grant removed"])
def test_a_client_that_changed_gets_nothing(
    server: Server, signed_in: Person, device: Device, change: str
) -> None:
    """I2: as good as its client is now."""
    type_code(signed_in, device).submit(button="allow")
    with server.arranging():
        row = device.application.row()
        if change == "disabled":
            clients.set_enabled(row, False, "test")
            clients.set_enabled(row, True, "test")
        elif change == "scope removed":
            row.scopes = ["openid"]
        else:
            row.grant_types = ["refresh_token"]
    assert error_of(device.poll())[1] in ("invalid_grant", "unauthorized_client")


def test_who_asks_too_often_has_to_wait_longer(device: Device) -> None:
    """O 8628 3.5: five seconds more each time; and after that time it is an ordinary question again."""
    assert error_of(device.poll(0)) == (400, "authorization_pending")
    assert error_of(device.poll(2)) == (400, "slow_down")
    assert error_of(device.poll(6)) == (400, "slow_down")
    assert error_of(device.poll(14)) == (400, "slow_down")
    assert error_of(device.poll(21)) == (400, "authorization_pending")


def test_codes_grow_old(signed_in: Person, device: Device) -> None:
    """O 8628 3.5: expired_token; nobody can allow it any more."""
    type_code(signed_in, device)
    signed_in.server.clock.move(seconds=601)
    signed_in.submit(button="allow")
    assert signed_in.page.status_code == 400
    assert device.state == "expired_token"


def test_codes_cannot_be_guessed(server: Server, device: Device) -> None:
    """O 8628 5.1: after ten wrong ones an address waits, for the right one too; then it may try again."""
    guesser = server.person()
    headers = {"X-Forwarded-For": "198.51.100.77"}

    def guess(code: str) -> int:
        query = urlencode({"user_code": code})
        return guesser.send("GET", f"/device/confirm?{query}", headers=headers).status_code

    assert [guess("BBBB-BBBB") for _ in range(11)] == [400] * 10 + [429]
    assert guess(device.codes["user_code"]) == 429
    server.clock.move(minutes=9)
    assert guess(device.codes["user_code"]) == 429
    fresh = switch_on(device.application)
    assert (
        server.person().send("GET", f"/device/confirm?user_code={fresh.codes['user_code']}").status_code
        == 303
    )
    server.clock.move(minutes=7)
    assert guess(fresh.codes["user_code"]) == 303


def test_another_site_uses_up_nobody_s_guesses(server: Server, signed_in: Person, device: Device) -> None:
    """O 8628 5.1: what it makes a browser load is not compared; so it counts for nothing, and tells nothing."""
    for _ in range(11):
        answer = signed_in.send("GET", "/device/confirm?user_code=BBBB-BBBB", headers=FOREIGN_SITE)
        assert (answer.status_code, 'value="BBBB-BBBB"' in answer.text) == (200, True)
    assert type_code(signed_in, device).step == "/device/confirm"


def test_a_link_on_another_site_fills_the_code_in(signed_in: Person, device: Device) -> None:
    """O 8628 3.3.1: a link in a message is as good as typing; sending the form goes on."""
    link = device.codes["verification_uri_complete"].removeprefix("https://id.example")
    target = signed_in.send("GET", link, headers=FOREIGN_SITE).headers["Location"]
    signed_in.page = signed_in.send("GET", target, headers=FOREIGN_SITE)
    assert f'value="{device.codes["user_code"]}"' in signed_in.page.text
    assert "Television" not in signed_in.page.text
    type_code(signed_in, device).submit(button="allow")
    assert device.poll().status_code == 200


def test_the_answer_needs_the_form_of_this_person(server: Server, device: Device) -> None:
    """Section 3, CSRF: another site or another form allows nothing."""
    person = type_code(server.person().sign_in(), device)
    assert person.send("POST", person.path, {"answer": "allow"}).status_code in (200, 400)
    other = type_code(server.person().sign_in(), switch_on(device.application))
    stolen = other.page.text.split('name="csrf_token" value="')[1].split('"')[0]
    person.send("POST", person.path, {"answer": "allow", "csrf_token": stolen})
    assert device.state == "authorization_pending"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"scope": "idprotect:findings"}, "invalid_scope"),
        ({"client_id": "nobody"}, "invalid_client"),
    ],
)
def test_what_a_device_may_not_ask_for(server: Server, changes: dict[str, str], error: str) -> None:
    """O 8628 3.2."""
    assert error_of(television(server).post("/device-authorization", **changes))[1] == error


def test_only_who_is_registered_for_it_asks(server: Server, application: Application) -> None:
    """A 10.4.4: grants per client; authenticated as registered; POST and form alone."""
    assert error_of(application.post("/device-authorization", scope="openid")) == (400, "unauthorized_client")
    secret = television(server, token_endpoint_auth_method="client_secret_basic")
    assert switch_on(secret).state == "authorization_pending"
    bare = server.send("POST", "/device-authorization", {"client_id": secret.id, "scope": "openid"})
    assert error_of(bare) == (401, "invalid_client")
    assert server.send("GET", "/device-authorization").status_code == 405


def test_a_device_code_is_its_client_s(server: Server, signed_in: Person, device: Device) -> None:
    """O 8628 3.4: another client learns nothing."""
    type_code(signed_in, device).submit(button="allow")
    thief = Device(television(server), device.codes)
    assert error_of(thief.poll()) == (400, "invalid_grant")
    assert error_of(Device(device.application, {"device_code": "made up"}).poll()) == (400, "invalid_grant")
    missing = device.application.post("/token", grant_type=DEVICE_CODE)
    assert error_of(missing) == (400, "invalid_request")
    assert device.poll().status_code == 200


def test_devices_are_announced(server: Server) -> None:
    """O 8628 4."""
    said = server.send("GET", "/.well-known/oauth-authorization-server").get_json()
    assert said["device_authorization_endpoint"] == "https://id.example/device-authorization"
    assert DEVICE_CODE in said["grant_types_supported"]
