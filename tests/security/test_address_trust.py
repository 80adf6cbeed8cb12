"""D17: how the visitor's address is found, hop by hop, and that risk is not judged by it before somebody confirmed it."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect import client_address, clients
from idprotect.audit import Event
from idprotect.client_address import Standing
from idprotect.intelligence import sample
from idprotect.models import AuditEvent, ClientNetwork, SignIn
from idprotect.registration import Registration
from tests.admin.conftest import enter  # noqa: F401 (a fixture)
from tests.security.place import CLIENT_SECRET, Place, Visitor
from tests.support.world import HOME_ADDRESS, SIGN_IN_RISK_BLOCK, TOR_ADDRESS

PUBLIC, OTHER, LONDON = "9.9.9.9", "8.8.4.4", "198.51.100.7"
IN_EARNEST: dict[str, Any] = {
    "IDPROTECT_DEVELOPMENT": False,
    "IDPROTECT_SMS_SENDER": "null",
    "IDPROTECT_MAIL_SENDER": "null",
}
ANONYMOUS_IP = "anonymous_ip"
FINDINGS = "idprotect:findings"


@pytest.fixture
def server(make_a_place: Callable[..., Place]) -> Callable[..., Place]:
    """Return a factory of servers that are not in development, with a policy against risky sign-ins."""

    def make(**config: Any) -> Place:
        place = make_a_place(**{**IN_EARNEST, **config})
        place.make_user()
        place.apply(SIGN_IN_RISK_BLOCK)
        place.list_address(TOR_ADDRESS)
        place.list_address(PUBLIC)
        return place

    return make


def sign_in(place: Place, peer: str = "127.0.0.1", forwarded_for: str | None = TOR_ADDRESS) -> SignIn:
    """Sign Ada in, and return what is stored of it."""
    visitor = Visitor(place, forwarded_for, "Firefox")
    visitor.peer = peer
    visitor.start().sign_in()
    return max(place.rows(SignIn), key=lambda row: row.signed_in_at)  # type: ignore[no-any-return]


def confirm(place: Place) -> None:
    """Confirm that addresses are seen rightly."""
    assert place.cli("proxy", "confirm", "--reason", "compared with my telephone").exit_code == 0


def test_risk_is_not_judged_by_addresses_before_somebody_confirmed_them(
    server: Callable[..., Place],
) -> None:
    """D17, D16: every signal by address says why it was not evaluated; the password alone is judged."""
    place = server()
    before = sign_in(place)
    assert before.ip_address == TOR_ADDRESS, "it is shown, and throttled by"
    assert (before.risk_level, before.country) == (0, None)
    for name in (ANONYMOUS_IP, "suspicious_ip", "password_spray", "new_country"):
        assert "nobody confirmed" in before.not_evaluated[name]

    confirm(place)
    after = sign_in(place)
    assert ANONYMOUS_IP not in after.not_evaluated
    assert after.risk.label == "medium"
    (told,) = place.rows(AuditEvent, AuditEvent.name == Event.ADDRESSES_CONFIRMED)
    assert told.details == {"proxies": ["127.0.0.1"], "reason": "compared with my telephone"}


def test_a_confirmation_can_be_withdrawn_and_is_of_the_proxies_that_are_named(
    server: Callable[..., Place],
) -> None:
    """D17: with other proxies it has to be confirmed again."""
    place = server()
    confirm(place)
    assert ANONYMOUS_IP not in sign_in(place).not_evaluated
    place.settings["IDPROTECT_TRUSTED_PROXIES"] = ("127.0.0.0/8",)
    assert ANONYMOUS_IP in sign_in(place.restarted()).not_evaluated
    assert place.cli("proxy", "withdraw", "--reason", "the proxy is gone").exit_code == 0
    assert ANONYMOUS_IP in sign_in(place).not_evaluated


def test_where_nothing_speaks_for_a_proxy_there_is_nothing_to_confirm(server: Callable[..., Place]) -> None:
    """D17: a public address connects, none is named, no header: judged at first start."""
    place = server(IDPROTECT_TRUSTED_PROXIES=())
    assert sign_in(place, PUBLIC, None).risk.label == "medium"
    doubtful = sign_in(place, PUBLIC, OTHER)
    assert doubtful.ip_address == PUBLIC, "the header is not believed"
    assert ANONYMOUS_IP in doubtful.not_evaluated, "but there may be a proxy"
    assert ANONYMOUS_IP in sign_in(place, "10.0.0.1", None).not_evaluated, (
        "a private address is somebody's proxy"
    )
    confirm(place)
    assert sign_in(place, PUBLIC, OTHER).risk.label == "medium", "from then on nobody avoids it by a header"


def test_nobody_becomes_strange_when_addresses_begin_to_count(make_a_place: Callable[..., Place]) -> None:
    """D17: confirming is no move of a session, and what was never known of a user is not new."""
    place = make_a_place(
        **IN_EARNEST,
        IDPROTECT_CITY_DATABASE=str(sample.FOLDER / "city.mmdb"),
        IDPROTECT_ASN_DATABASE=str(sample.FOLDER / "asn.mmdb"),
    )
    place.make_user()
    for _ in range(4):
        visitor = place.browser(LONDON).start().sign_in()
        place.clock.move(days=2)
    visitor = place.browser(LONDON).start().sign_in()
    confirm(place)
    assert visitor.is_signed_in
    assert place.rows(AuditEvent, AuditEvent.name == Event.SIGN_IN_MOVED) == []
    place.clock.move(days=1)
    first = sign_in(place, forwarded_for=LONDON)
    assert (first.country, first.risk_level) == ("GB", 0)


def test_applications_are_not_judged_by_unconfirmed_addresses(make_a_place: Callable[..., Place]) -> None:
    """D17, F020: their networks are not known then."""
    place = make_a_place(**IN_EARNEST, IDPROTECT_ASN_DATABASE=str(sample.FOLDER / "asn.mmdb"))
    with place.arranging():
        reporter = Registration(client_name="Reporter", grant_types=("client_credentials",), scope=FINDINGS)
        clients.create(reporter, by="test", client_id="reporter", secret=CLIENT_SECRET)

    def networks() -> list[bool]:
        form = {"grant_type": "client_credentials", "scope": FINDINGS}
        answer = place.app.test_client().post(
            "/token",
            data=form,
            auth=("reporter", CLIENT_SECRET),
            base_url=place.url,
            headers={"X-Forwarded-For": LONDON},
        )
        assert answer.status_code == 200, answer.text
        return [bool(row.asn) for row in place.rows(ClientNetwork)]

    assert networks() == [False]
    confirm(place)
    assert networks() == [False, True]


def test_the_page_shows_each_hop_and_takes_the_confirmation(
    enter: Callable[..., Visitor],  # noqa: F811
) -> None:
    """D17: trusted, believed, ignored, with the reason; an administrator confirms, a reader looks."""
    visitor = enter()
    visitor.headers["X-Forwarded-For"] = f"{OTHER}, {HOME_ADDRESS}"
    visitor.get("/admin/addresses/")
    for text in (
        f"You come from {HOME_ADDRESS}",
        "trusted 127.0.0.1",
        f"believed {HOME_ADDRESS}",
        f"ignored {OTHER}",
    ):
        assert text in visitor.text, visitor.text
    assert "is no proxy of ours, and could write anything" in visitor.text
    visitor.headers["X-Forwarded-For"] = HOME_ADDRESS
    assert visitor.get("/admin/addresses/").submit({"reason": " "}, action="change").status == 400
    visitor.submit({"reason": "it is the office’s"}, action="change")
    assert "the-administrator confirmed on" in visitor.text
    assert "it is the office’s" in visitor.text
    visitor.submit({"reason": "moved"}, button="withdraw")
    assert "the-administrator confirmed on" not in visitor.text

    reader = enter("reader").get("/admin/addresses/")
    assert f"You come from {HOME_ADDRESS}" in reader.text
    assert not [form for form in reader.forms() if "change" in form["action"]]
    assert reader.go("POST", "/admin/addresses/change", {"reason": "x"}).status in (400, 403)


def test_the_overview_says_that_nobody_confirmed(server: Callable[..., Place]) -> None:
    """D17, F100: the first page leads to it, until it is done."""
    place = server()
    place.make_user("eve", authenticators=("totp",), roles=("administrator",))
    visitor = place.browser().get("/admin/").sign_in("eve")
    visitor.submit({"code": place.totp("eve")})
    assert "Nobody confirmed that the addresses of visitors are seen rightly." in visitor.text
    assert place.cli("check").stdout.count("not confirmed") == 1
    confirm(place)
    assert "Nobody confirmed" not in visitor.get("/admin/").text
    assert "confirmed by" in place.cli("check").stdout


def test_the_command_explains_any_request(server: Callable[..., Place]) -> None:
    """D17: each hop with its reason, and what is doubtful."""
    place = server(IDPROTECT_TRUSTED_PROXIES=("10.0.0.0/8",))
    answer = json.loads(
        place.cli(
            "proxy", "check", "--peer", "10.0.0.1", "--forwarded-for", f"1.2.3.4, {PUBLIC}, 10.0.0.2",
            "--header", "x-real-ip", "--json",
        ).stdout
    )  # fmt: skip
    assert answer["visitor"] == PUBLIC
    assert [hop.split(": ")[:2] for hop in answer["hops"]] == [
        ["10.0.0.1", "trusted"],
        ["10.0.0.2", "trusted"],
        [PUBLIC, "believed"],
        ["1.2.3.4", "ignored"],
    ]
    assert any("X-Real-IP" in warning for warning in answer["warnings"])
    assert place.cli("proxy", "check", "--forwarded-for", PUBLIC).exit_code == 1
    direct = json.loads(place.cli("proxy", "check", "--peer", "192.168.0.1", "--json").stdout)
    assert any("private" in warning for warning in direct["warnings"])
    assert any("did not come by one of them" in warning for warning in direct["warnings"])


hop = st.one_of(
    st.ip_addresses().map(str), st.sampled_from(["10.0.0.1", "10.9.9.9", "", "rubbish", "::ffff:10.0.0.1"])
)


@given(hop, st.lists(hop, max_size=5))
def test_nobody_but_a_trusted_hop_chooses_the_address(peer: str, written: list[str]) -> None:
    """F117: what stands left of the first stranger changes nothing, and each hop has one standing."""
    trusted = ("10.0.0.0/8",)
    header = ", ".join(written)
    trail = client_address.follow(peer, header, ["X-Forwarded-For"], trusted)
    assert client_address.of(peer, header, trusted) == trail.address
    standings = [hop.standing for hop in trail.hops]
    believed = standings.index(Standing.BELIEVED if trail.address else Standing.UNREADABLE)
    assert set(standings[:believed]) <= {Standing.TRUSTED}
    assert set(standings[believed + 1 :]) <= {Standing.IGNORED}
    forged = ", ".join(["1.2.3.4", header])
    if believed < len(written) or not client_address.canonical(trail.hops[believed].said):
        assert client_address.of(peer, forged, trusted) == trail.address
