"""What is known of an address: `Intelligence.network()` over all files at once."""

from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from idprotect import clock
from idprotect.intelligence import Intelligence, MaxAges
from idprotect.intelligence.address_lists import AddressList
from idprotect.intelligence.sources import ListSource, Meaning, in_folder
from idprotect.risk.network import Location, Network
from tests.support.databases import CARRIER, OSLO, write_database

RANGE = "203.0.113.0/24"
ADDRESS = "203.0.113.7"


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Any]:
    """Lay a database of places, one of systems, and a folder of lists."""
    lists = tmp_path / "lists"
    lists.mkdir()
    for name, lines in {
        "tor_exits": "203.0.113.66",
        "anonymous_proxies": "198.51.100.0/25",
        "hosting_ranges": "198.51.100.0/24",
        "hosting_asns": "64501,Example Hosting",
        "mobile_asns": "# ASN,organisation\n64500,Example Mobile\n64502",
        "abuse_ips": "203.0.113.99",
    }.items():
        (lists / f"{name}.txt").write_text(lines + "\n")
    hosting = {"autonomous_system_number": 64501, "autonomous_system_organization": "Example Hosting"}
    networks = {RANGE: CARRIER, "2001:db8::/32": CARRIER, "192.0.2.0/24": hosting, "240.0.0.0/8": hosting}
    return {
        "city": write_database(tmp_path / "city.mmdb", dict.fromkeys(networks, OSLO)),
        "asn": write_database(tmp_path / "asn.mmdb", networks),
        "lists": in_folder(lists),
    }


def make(files: dict[str, Any], **options: Any) -> Intelligence:
    return Intelligence(**{**files, "recheck_seconds": 0, **options})


def test_everything_known_of_an_address_is_one_answer(files: dict[str, Any]) -> None:
    """D18: place, system and lists from local files."""
    assert make(files).network(ADDRESS) == Network(
        ADDRESS,
        64500,
        "Example Mobile",
        Location("NO", "Oslo", 59.9, 10.75, 20),
        anonymous=False,
        hosting=False,
        mobile=True,
        listings={"abuse_ips": False},
    )


@pytest.mark.parametrize(
    ("address", "known"),
    [
        ("203.0.113.66", {"anonymous": True, "hosting": False}),
        ("198.51.100.1", {"anonymous": True, "hosting": True, "asn": None, "mobile": None}),
        ("198.51.100.200", {"anonymous": False, "hosting": True}),
        ("192.0.2.1", {"hosting": True, "mobile": False, "asn": 64501}),
        ("203.0.113.99", {"listings": {"abuse_ips": True}}),
        ("240.0.0.1", {"asn": 64501}),
        ("3fff::1", {"asn": None, "location": None, "anonymous": False, "hosting": None}),
    ],
)
def test_a_fact_comes_from_ranges_or_from_the_system(
    files: dict[str, Any], address: str, known: dict[str, Any]
) -> None:
    """Where only the system could tell, and is unknown, nobody can tell."""
    network = make(files).network(address)
    assert {name: getattr(network, name) for name in known} == known


@pytest.mark.parametrize("text", ["::ffff:203.0.113.7", "::FFFF:cb00:7107", "0:0:0:0:0:ffff:203.0.113.7"])
def test_an_ipv4_address_in_ipv6_clothes_is_the_same_address(files: dict[str, Any], text: str) -> None:
    intelligence = make(files)
    assert intelligence.network(text) == intelligence.network(ADDRESS)


@pytest.mark.parametrize(
    "address",
    ["10.1.2.3", "127.0.0.1", "::1", "192.168.0.1", "100.64.0.1", "fe80::1", "fe80::1%eth0", "fd00::1"],
)
def test_a_neighbour_has_no_place_even_if_the_data_name_one(tmp_path: Path, address: str) -> None:
    """A reverse proxy that is not configured must not put everybody into one city."""
    everywhere = {
        "0.0.0.0/1": OSLO | CARRIER,
        "128.0.0.0/1": OSLO | CARRIER,
        "8000::/1": OSLO | CARRIER,
        "1::/16": OSLO | CARRIER,
    }
    path = write_database(tmp_path / "both.mmdb", everywhere)
    network = Intelligence(city=path, asn=path).network(address)
    assert (network.location, network.asn) == (None, None)
    assert "%" not in network.address


@pytest.mark.parametrize("address", ["", "nonsense", "203.0.113", "203.0.113.7:80", "1" * 9999])
def test_what_is_no_address_is_refused(files: dict[str, Any], address: str) -> None:
    with pytest.raises(ValueError, match="address"):
        make(files).network(address)


def test_without_data_nothing_is_known() -> None:
    """D16: unknown is None, never False."""
    assert Intelligence().network(ADDRESS) == Network(ADDRESS)
    assert Intelligence().health() == []


def test_missing_files_are_unknown_and_reported(files: dict[str, Any]) -> None:
    """D16: an absent list of Tor exits does not make an address innocent, though the other list was read."""
    files["lists"][-1].path.unlink()
    files["city"].unlink()
    intelligence = make(files)
    network = intelligence.network(ADDRESS)
    assert (network.location, network.anonymous, network.hosting) == (None, None, False)
    assert intelligence.network("198.51.100.1").anonymous is True
    assert {h.name: h.state for h in intelligence.health() if h.state != "ok"} == {
        "city_database": "missing",
        "tor_exits": "missing",
    }


def test_a_new_version_of_any_file_is_in_the_next_answer(files: dict[str, Any], tmp_path: Path) -> None:
    """Loaded without a restart; what was remembered of the old version is forgotten."""
    intelligence = make(files)
    assert intelligence.network(ADDRESS).anonymous is False
    (tmp_path / "lists" / "tor_exits.txt").write_text("203.0.113.7\n203.0.113.66\n")
    write_database(files["city"], {RANGE: OSLO | {"city": {"names": {"en": "Bergen"}}}})
    write_database(files["asn"], {RANGE: CARRIER | {"autonomous_system_number": 64502}})
    network = intelligence.network(ADDRESS)
    assert network.anonymous is True
    assert network.location is not None and network.location.city == "Bergen"
    assert network.asn == 64502


def test_a_broken_version_is_reported_and_the_old_one_answers(files: dict[str, Any]) -> None:
    intelligence = make(files)
    before = intelligence.network(ADDRESS)
    files["city"].write_bytes(b"<html>quota exceeded</html>")
    files["asn"].write_bytes(files["asn"].read_bytes()[:-200])
    assert intelligence.network(ADDRESS) == before
    assert [h.state for h in intelligence.health()[:2]] == ["broken", "broken"]
    assert all("stays in use" in h.problems[-1] for h in intelligence.health()[:2])


def test_stale_data_are_not_evaluated(files: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of data has its own age; what grows stale while the server runs is noticed."""
    now = clock.now()
    week = timedelta(days=7)
    for ages, unknown in (
        (MaxAges(city=week), {"location"}),
        (MaxAges(asn=week), {"asn", "organisation", "mobile", "hosting"}),
        (MaxAges(lists=week), {"anonymous", "hosting", "mobile"}),
        (MaxAges(), set()),
    ):
        monkeypatch.setattr(clock, "now", lambda: now)
        intelligence = make(files, max_ages=ages)
        fresh = intelligence.network(ADDRESS)
        monkeypatch.setattr(clock, "now", lambda: now + timedelta(days=8))
        stale = intelligence.network(ADDRESS)
        lost = {"asn", "organisation", "location", "anonymous", "hosting", "mobile"}
        assert {name for name in lost if getattr(stale, name) is None} == unknown
        assert None not in {getattr(fresh, name) for name in lost}
        assert [h.state == "stale" for h in intelligence.health()].count(True) == (
            6 if ages.lists else len(unknown) and 1
        )


def test_the_files_are_looked_at_once_a_second_at_most(
    files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    intelligence = Intelligence(**files, recheck_seconds=3600)
    monkeypatch.setattr(Path, "stat", lambda *args, **kwargs: pytest.fail("looked"))
    assert intelligence.network(ADDRESS).mobile is True


def test_while_one_thread_reads_the_others_are_answered(
    files: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    intelligence = make(files)
    answers: list[Network] = []
    read = AddressList._read

    def slow_read(*args: Any) -> Any:
        other = Thread(target=lambda: answers.append(intelligence.network(ADDRESS)))
        other.start()
        other.join(timeout=30)
        return read(*args)

    monkeypatch.setattr(AddressList, "_read", slow_read)
    files["lists"][-1].path.write_text("203.0.113.7\n203.0.113.8\n")
    assert intelligence.network(ADDRESS).anonymous is True
    assert [answer.anonymous for answer in answers] == [False]


def test_other_lists_answer_each_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "botnet.txt").write_text("203.0.113.0/28\n")
    (tmp_path / "drop.txt").write_text("AS64500 , a hijacked network\n")
    lists = [
        ListSource(name, tmp_path / f"{name}.txt", Meaning.LISTED) for name in ("botnet", "drop", "gone")
    ]
    asn = write_database(tmp_path / "asn.mmdb", {RANGE: CARRIER})
    assert Intelligence(asn=asn, lists=lists).network(ADDRESS).listings == {
        "botnet": True,
        "drop": True,
        "gone": None,
    }
    assert Intelligence(lists=lists).network("203.0.113.77").listings == {
        "botnet": False,
        "drop": None,
        "gone": None,
    }
