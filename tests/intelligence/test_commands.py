"""`flask idprotect intelligence`: how the data files are doing, and what they say of an address."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from idprotect.demo.seed import data_files
from idprotect.intelligence.breached_passwords import build
from tests.support.databases import CARRIER, OSLO, write_database
from tests.support.world import World

RANGE = "203.0.113.0/24"


@pytest.fixture
def informed(make_world: Callable[..., World], tmp_path: Path) -> World:
    """Run a server that has every kind of data."""
    (tmp_path / "tor.txt").write_text("203.0.113.66\nnonsense\n198.51.100.1\n")
    (tmp_path / "asns.txt").write_text("64500,Example Mobile\n")
    (tmp_path / "bots.txt").write_text("203.0.113.7\n")
    build(["letmein"], tmp_path / "breached.txt")
    return make_world(
        relying_party=False,
        IDPROTECT_CITY_DATABASE=str(write_database(tmp_path / "city.mmdb", {RANGE: OSLO})),
        IDPROTECT_ASN_DATABASE=str(write_database(tmp_path / "asn.mmdb", {RANGE: CARRIER})),
        IDPROTECT_ADDRESS_LISTS={
            "tor": f"{tmp_path}/tor.txt@anonymous",
            "carriers": f"{tmp_path}/asns.txt@mobile",
            "botnet": f"{tmp_path}/bots.txt@high",
        },
        IDPROTECT_BREACHED_PASSWORDS=str(tmp_path / "breached.txt"),
    )


def test_each_source_has_a_row_with_its_problems_and_their_lines(informed: World, tmp_path: Path) -> None:
    """D16, D18: name, kind, path, state, entries, age; exit status 0 when all are ok."""
    result = informed.cli("intelligence")
    assert result.exit_code == 0, result.output
    head, *lines = result.output.splitlines()
    assert head.split() == ["name", "kind", "state", "entries", "dated", "age", "path"]
    rows = {line.split()[0]: line for line in lines}
    assert list(rows) == [
        "city_database",
        "asn_database",
        "tor",
        "line",
        "carriers",
        "botnet",
        "breached_passwords",
    ]
    assert rows["line"] == "    line 2: 'nonsense' is not an address, network or AS number"
    assert "listed: high" in rows["botnet"]
    assert rows["tor"].endswith(str(tmp_path / "tor.txt"))


def test_health_speaks_json(informed: World, tmp_path: Path) -> None:
    result = informed.cli("intelligence", "--json")
    assert result.exit_code == 0
    answer = json.loads(result.output)
    assert answer["not_configured"] == []
    kinds = {source["name"]: source["kind"] for source in answer["sources"]}
    assert kinds == {
        "city_database": "city",
        "asn_database": "asn",
        "tor": "anonymous",
        "carriers": "mobile",
        "botnet": "listed: high",
        "breached_passwords": "breached passwords",
    }
    tor = answer["sources"][2]
    assert (tor["state"], tor["entries"], tor["path"]) == ("ok", 2, str(tmp_path / "tor.txt"))
    assert tor["problems"] == ["line 2: 'nonsense' is not an address, network or AS number"]
    assert 0 <= tor["age_seconds"] < 600


def test_exit_status_tells_a_timer_that_a_source_is_broken(informed: World, tmp_path: Path) -> None:
    """A new version that is broken, and a file that is gone, are in the answer with their reasons."""
    (tmp_path / "city.mmdb").write_text("<html>limit reached</html>")
    (tmp_path / "bots.txt").unlink()
    with informed.app.app_context():
        # A running server looks once a second; this command would be a process of its own.
        for file in (informed.app.extensions["idprotect"].intelligence.city, *lists_of(informed)):
            file._next_check = 0
    result = informed.cli("intelligence")
    assert result.exit_code == 1
    assert "broken" in result.output
    assert "not a sound MaxMind database" in result.output
    assert "the file cannot be read: No such file or directory" in result.output
    assert result.output.count("stays in use") == 2


def lists_of(world: World) -> Any:
    return world.app.extensions["idprotect"].intelligence.lists.values()


@pytest.mark.parametrize("address", ["203.0.113.7", "::ffff:203.0.113.7"])
def test_look_up_tells_everything_known_and_who_says_it(informed: World, address: str) -> None:
    """D18."""
    result = informed.cli("intelligence", "look-up", address, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.output)
    sources = {source["source"]: source["answer"] for source in answer.pop("sources")}
    assert sources == {
        "city_database": "Oslo, NO (59.9, 10.75, within 20 km)",
        "asn_database": "AS64500 Example Mobile",
        "tor": "not listed",
        "carriers": "listed",
        "botnet": "listed",
    }
    assert answer == {
        "address": "203.0.113.7",
        "asn": 64500,
        "organisation": "Example Mobile",
        "location": {
            "country": "NO",
            "city": "Oslo",
            "latitude": 59.9,
            "longitude": 10.75,
            "accuracy_km": 20,
        },
        "anonymous": False,
        "hosting": None,
        "mobile": True,
        "listings": {"botnet": True},
    }


def test_look_up_of_an_unknown_address_tells_what_was_not_evaluated(informed: World) -> None:
    """D16: not known is not the same as not listed."""
    answer = json.loads(informed.cli("intelligence", "look-up", "240.0.0.1", "--json").output)
    assert {source["source"]: source["answer"] for source in answer["sources"]} == {
        "city_database": "not known",
        "asn_database": "not known",
        "tor": "not listed",
        "carriers": "not evaluated",
        "botnet": "not listed",
    }


def test_look_up_of_no_address_is_an_error_in_a_line(informed: World) -> None:
    result = informed.cli("intelligence", "look-up", "203.0.113")
    assert result.exit_code == 1
    assert "'203.0.113' is not an address" in result.output


def test_a_stale_database_answers_nothing_and_says_so(
    make_world: Callable[..., World], tmp_path: Path
) -> None:
    """D16."""
    world = make_world(
        relying_party=False,
        IDPROTECT_CITY_DATABASE=str(write_database(tmp_path / "city.mmdb", {RANGE: OSLO})),
        IDPROTECT_CITY_DATABASE_MAX_AGE=30 * 86400,
    )
    world.clock.move(days=31)
    running = world.app.extensions["idprotect"].intelligence
    running._next_look = 0  # what a second does
    answer = json.loads(world.cli("intelligence", "look-up", "203.0.113.7", "--json").output)
    assert answer["location"] is None
    assert answer["sources"][0] == {
        "source": "city_database",
        "kind": "city",
        "state": "stale",
        "answer": "not evaluated",
    }
    assert world.cli("intelligence").exit_code == 1


def test_what_is_not_configured_is_named(make_world: Callable[..., World]) -> None:
    """D16: a server without data says which detectors cannot look; that is no fault."""
    world = make_world(relying_party=False, IDPROTECT_ADDRESS_LISTS={})
    result = world.cli("intelligence")
    assert result.exit_code == 0
    for setting in ("CITY_DATABASE", "ASN_DATABASE", "ADDRESS_LISTS", "BREACHED_PASSWORDS"):
        assert f"not configured, so not evaluated: IDPROTECT_{setting}" in result.output


def test_check_tells_how_the_data_are_doing(informed: World) -> None:
    answer = json.loads(informed.cli("check", "--json").output)
    assert set(answer["data"]) == {
        "city_database",
        "asn_database",
        "tor",
        "carriers",
        "botnet",
        "breached_passwords",
    }
    assert answer["data"]["tor"].startswith("ok, 2 entries, 0 h old, ")
    assert answer["data"]["tor"].endswith("; line 2: 'nonsense' is not an address, network or AS number")


def test_the_demonstration_has_data_of_every_kind(make_world: Callable[..., World], tmp_path: Path) -> None:
    """D18: every detector can look at first start, without a network."""
    world = make_world(relying_party=False, **data_files(tmp_path))
    answer = json.loads(world.cli("intelligence", "--json").output)
    assert answer["not_configured"] == []
    assert {source["state"] for source in answer["sources"]} == {"ok"}
    assert all(not source["problems"] for source in answer["sources"])
