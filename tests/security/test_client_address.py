"""Section 8, C103, F117: the client's address is what a proxy of ours says, and never what the client says."""

from collections.abc import Callable

import pytest

from idprotect import browser, throttle
from idprotect.errors import ConfigurationError
from idprotect.models import SignIn
from tests.security.place import Place
from tests.support.world import SIGN_IN_RISK_BLOCK, TOR_ADDRESS

CLIENT = "198.51.100.10"
PROXIES = ("10.0.0.0/8", "2001:db8:ffff::/48", "192.0.2.1")


def seen(
    place: Place, peer: str | None, forwarded: str | list[str] | None = None, **headers: str
) -> str | None:
    """Return the address that the server takes a request to come from."""
    lines = [forwarded] if isinstance(forwarded, str) else forwarded or []
    sent = [("X-Forwarded-For", line) for line in lines] + [
        (k.replace("_", "-"), v) for k, v in headers.items()
    ]
    environ = {"REMOTE_ADDR": peer} if peer is not None else {}
    with place.app.test_request_context(headers=sent, base_url=place.url, environ_overrides=environ):
        if peer is None:
            from flask import request

            request.remote_addr = None
        return browser.ip_address()


@pytest.fixture
def behind(make_a_place: Callable[..., Place]) -> Place:
    """Run a server behind proxies."""
    return make_a_place(IDPROTECT_TRUSTED_PROXIES=PROXIES)


@pytest.mark.parametrize(
    "forged",
    [
        "203.0.113.9",
        "127.0.0.1",
        "10.0.0.1",
        "::1",
        "",
        "not an address",
        "198.51.100.77, 10.0.0.1",
        "x" * 5000,
    ],
)
def test_without_a_proxy_nobody_chooses_an_address(make_a_place: Callable[..., Place], forged: str) -> None:
    """F117: a forged X-Forwarded-For has no effect when no proxy is configured, whatever stands in it."""
    place = make_a_place(IDPROTECT_TRUSTED_PROXIES=())
    assert seen(place, CLIENT, forged) == CLIENT
    assert seen(place, "10.0.0.1", forged) == "10.0.0.1", "nor for a private peer"


@pytest.mark.parametrize(
    "header",
    [
        "Forwarded",
        "X_Real_IP",
        "CF_Connecting_IP",
        "True_Client_IP",
        "X_Client_IP",
        "X_Cluster_Client_IP",
        "Via",
    ],
)
def test_no_other_header_is_looked_at(behind: Place, header: str) -> None:
    """Section 8: all other headers are ignored, also from a proxy of ours."""
    assert seen(behind, CLIENT, None, **{header: "203.0.113.9"}) == CLIENT
    assert seen(behind, "10.0.0.1", CLIENT, **{header: "203.0.113.9"}) == CLIENT


@pytest.mark.parametrize(
    ("peer", "chain", "address"),
    [
        ("10.0.0.1", CLIENT, CLIENT),
        ("10.0.0.1", f"203.0.113.9, {CLIENT}", CLIENT),
        ("10.0.0.1", f"203.0.113.9, {CLIENT}, 10.1.2.3", CLIENT),
        ("10.0.0.1", f"203.0.113.9, {CLIENT},192.0.2.1 , 2001:db8:ffff::7", CLIENT),
        ("10.0.0.1", f"10.9.9.9, {CLIENT}", CLIENT),
        ("10.0.0.1", "10.9.9.9, 10.8.8.8", "10.9.9.9"),
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "2001:DB8:0:0::0001", "2001:db8::1"),
        ("2001:db8:ffff::1", CLIENT, CLIENT),
        ("::ffff:10.0.0.1", CLIENT, CLIENT),
        ("10.0.0.1", "::ffff:198.51.100.10", CLIENT),
        ("10.0.0.1", "203.0.113.9, ::ffff:10.0.0.2", "203.0.113.9"),
        ("192.0.2.1", CLIENT, CLIENT),
        ("192.0.2.2", CLIENT, "192.0.2.2"),
        (CLIENT, "203.0.113.9, 10.0.0.1", CLIENT),
    ],
)
def test_behind_proxies_the_last_hop_that_is_none_of_them_counts(
    behind: Place, peer: str, chain: str | None, address: str
) -> None:
    """C103: the right-most hop that is not trusted; what the client itself wrote further left is nothing."""
    assert seen(behind, peer, chain) == address


def test_several_lines_of_the_header_are_one_chain(behind: Place) -> None:
    """C103: a client's own line before the proxy's does not count."""
    assert seen(behind, "10.0.0.1", ["203.0.113.9", f"{CLIENT}, 10.0.0.2"]) == CLIENT


@pytest.mark.parametrize(
    "hop",
    [
        "",
        " ",
        "unknown",
        "_hidden",
        "198.51.100.10:4711",
        "[2001:db8::1]",
        "[2001:db8::1]:443",
        "198.51.100.010",
        "198.51.100",
        "3325256714",
        "0xc6.0x33.0x64.0x0a",
        "fe80::1%eth0",
        "198.51.100.10/32",
        "198.51.100.256",
        "2001:db8::1::2",
        "localhost",
        "'; DROP TABLE",
        "1" * 5000,
        "\xff",
        "１９８.51.100.10",
    ],
)
def test_what_is_no_address_is_unknown_and_not_the_hop_before(behind: Place, hop: str) -> None:
    """Section 8: unparsable = unknown; guessing on from there would let the client choose."""
    hop = hop.encode().decode("latin-1")
    assert seen(behind, "10.0.0.1", f"203.0.113.9, {hop}") is None
    assert seen(behind, "10.0.0.1", f"203.0.113.9, {hop}, 10.0.0.2") is None


def test_a_peer_without_an_address_is_unknown(behind: Place) -> None:
    """Section 8: behind a Unix socket there is none; it is no proxy of ours by that."""
    assert seen(behind, None, "203.0.113.9") is None
    assert seen(behind, "", "203.0.113.9") is None


def test_an_unknown_address_is_neither_listed_nor_stored_nor_an_error(place: Place) -> None:
    """Section 8: it is written down as unknown, and the sign-in is not familiar by it."""
    place.make_user()
    assert place.browser("nonsense").start().fail().sign_in().step == "account"
    assert [row.ip_address for row in place.rows(SignIn)] == [None, None]
    assert not place.rows(SignIn, SignIn.known_device)


def test_a_client_cannot_look_like_somebody_elsewhere(make_a_place: Callable[..., Place]) -> None:
    """I8: from a listed address, no header makes a sign-in look as if it came from a good one, or the reverse."""
    place = make_a_place(IDPROTECT_TRUSTED_PROXIES=())
    place.make_user()
    place.list_address()
    place.apply(SIGN_IN_RISK_BLOCK)
    visitor = place.browser(CLIENT)
    visitor.peer = TOR_ADDRESS
    visitor.headers |= {"X-Real-IP": CLIENT, "Forwarded": f"for={CLIENT}"}
    assert visitor.start().sign_in().step == "block"
    other = make_a_place(IDPROTECT_TRUSTED_PROXIES=())
    other.make_user()
    other.list_address(TOR_ADDRESS)
    other.apply(SIGN_IN_RISK_BLOCK)
    assert other.browser(TOR_ADDRESS).start().sign_in().step == "account"
    assert {row.ip_address for row in other.rows(SignIn)} == {"127.0.0.1"}


def test_addresses_of_one_household_are_one(behind: Place) -> None:
    """Section 5: an IPv4 address counts by itself, an IPv6 address by its /64, in one spelling."""
    assert throttle.network_of("198.51.100.10") == "198.51.100.10"
    assert throttle.network_of("2001:db8::1") == throttle.network_of("2001:db8::ffff:1")
    assert throttle.network_of("2001:db8::1") != throttle.network_of("2001:db8:0:1::1")
    assert throttle.network_of(None) == "unknown"


@pytest.mark.parametrize(
    "wrong", ["10.0.0.0/33", "10.0.0.1/8", "proxy.internal", "*", "", "10.0.0.1-10.0.0.9"]
)
def test_a_proxy_that_is_no_network_stops_the_start(make_a_place: Callable[..., Place], wrong: str) -> None:
    """Section 11: a typing mistake is told at the start, and not at each request."""
    with pytest.raises(ConfigurationError, match="TRUSTED_PROXIES"):
        make_a_place(IDPROTECT_TRUSTED_PROXIES=("10.0.0.1", wrong))
