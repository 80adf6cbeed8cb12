"""The files that come along: an imagined world in which every detector can look."""

import ipaddress
from pathlib import Path

import maxminddb
import pytest

from idprotect.intelligence import Intelligence, sample
from idprotect.intelligence.sample import BLOCKS, FOLDER, Use
from idprotect.intelligence.sample.generate import generate
from idprotect.intelligence.sources import in_folder
from idprotect.risk.network import Network

RESERVED = [
    ipaddress.ip_network(network)
    for network in (
        "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4", "2001:db8::/32", "3fff::/20"
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def intelligence() -> Intelligence:
    return Intelligence(city=FOLDER / "city.mmdb", asn=FOLDER / "asn.mmdb", lists=in_folder(FOLDER))


def test_the_files_are_what_the_tables_say(tmp_path: Path) -> None:
    """Whoever changes a table makes the files anew: `python -m idprotect.intelligence.sample.generate`."""
    generate(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        path.name for path in FOLDER.iterdir() if path.suffix in (".mmdb", ".txt")
    }
    for made in tmp_path.glob("*.txt"):
        assert made.read_text() == (FOLDER / made.name).read_text()
    for made in tmp_path.glob("*.mmdb"):
        with maxminddb.open_database(made) as new, maxminddb.open_database(FOLDER / made.name) as committed:
            assert list(new) == list(committed)


def test_every_source_is_ok_and_has_nothing_to_complain_of(intelligence: Intelligence) -> None:
    """D18: a tiny set of data, so that the detectors work on first start."""
    assert {row.name for row in intelligence.health()} == {
        "city_database", "asn_database", "tor_exits", "anonymous_proxies", "hosting_ranges", "hosting_asns",
        "mobile_asns", "abuse_ips",
    }  # fmt: skip
    for row in intelligence.health():
        assert (row.state, row.problems) == ("ok", ())


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.network)
def test_every_address_is_known_and_nobodys(intelligence: Intelligence, block: sample.Block) -> None:
    """The first and the last address of each block are in its city and its system; none of them is routed."""
    whole = ipaddress.ip_network(block.network)
    assert any(whole.version == space.version and whole.subnet_of(space) for space in RESERVED)  # type: ignore[arg-type]
    assert 64496 <= block.system.asn <= 64511
    for address in (whole[0], whole[-1]):
        network = intelligence.network(str(address))
        assert (network.asn, network.organisation) == (block.system.asn, block.system.organisation)
        assert network.location is not None
        assert (network.location.city, network.location.country) == (block.city.name, block.city.country)
        assert network.location.accuracy_km == block.system.accuracy_km
        assert network.hosting is (block.system.use is Use.HOSTING)
        assert network.mobile is (block.system.use is Use.MOBILE)


def test_there_is_an_address_for_every_kind_of_answer(intelligence: Intelligence) -> None:
    def known(address: str) -> Network:
        return intelligence.network(address)

    assert known("198.51.100.10").anonymous is False
    assert all(known(address).anonymous for address in sample.TOR_EXITS)
    assert known("203.0.113.130").anonymous is True
    assert known("203.0.113.12").listings == {"abuse_ips": True}
    assert known("198.51.100.10").listings == {"abuse_ips": False}
    assert len({block.city.name for block in BLOCKS}) >= 12


def test_blocks_do_not_overlap() -> None:
    networks = [ipaddress.ip_network(block.network) for block in BLOCKS]
    for place, network in enumerate(networks):
        for other in networks[place + 1 :]:
            assert network.version != other.version or not network.overlaps(other)  # type: ignore[arg-type]
