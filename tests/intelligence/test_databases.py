"""Files in MaxMind's format: sound, damaged, and full of nonsense."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idprotect.intelligence import databases
from idprotect.intelligence.addresses import parse
from idprotect.intelligence.databases import AsnDatabase, CityDatabase
from idprotect.risk.network import Location
from tests.support.databases import CARRIER, OSLO, write_database

RANGE = "203.0.113.0/24"
ADDRESS = parse("203.0.113.7")


def city(path: Path, **options: Any) -> CityDatabase:
    return CityDatabase(path, "city_database", "city", recheck_seconds=0, **options)


def locate(database: CityDatabase) -> Location | None:
    current = database.current()
    assert current is not None
    return current.location(ADDRESS)


def changed(*path: str, to: Any) -> dict[str, Any]:
    """Return the record of Oslo with one field changed."""
    record = {name: dict(value) for name, value in OSLO.items()}
    *parents, last = path
    place = record
    for name in parents:
        place[name] = dict(place[name])
        place = place[name]
    place[last] = to
    return record


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("location", "latitude"), 123.4, Location("NO", "Oslo", None, None, 20)),
        (("location", "longitude"), -180.5, Location("NO", "Oslo", None, None, 20)),
        (("location", "latitude"), float("nan"), Location("NO", "Oslo", None, None, 20)),
        (("location", "longitude"), float("inf"), Location("NO", "Oslo", None, None, 20)),
        (("location", "latitude"), "north", Location("NO", "Oslo", None, None, 20)),
        (("location", "latitude"), True, Location("NO", "Oslo", None, None, 20)),
        (("location", "accuracy_radius"), -1, Location("NO", "Oslo", 59.9, 10.75, None)),
        (("location", "accuracy_radius"), 2**40, Location("NO", "Oslo", 59.9, 10.75, None)),
        (("location",), "somewhere", Location("NO", "Oslo")),
        (("country", "iso_code"), "Norway", Location(None, "Oslo", 59.9, 10.75, 20)),
        (("country", "iso_code"), 47, Location(None, "Oslo", 59.9, 10.75, 20)),
        (("country",), ["NO"], Location(None, "Oslo", 59.9, 10.75, 20)),
        (("city", "names", "en"), "Oslo\u202e\n", Location("NO", None, 59.9, 10.75, 20)),
        (("city", "names", "en"), "O" * 9999, Location("NO", None, 59.9, 10.75, 20)),
        (("city", "names"), 7, Location("NO", None, 59.9, 10.75, 20)),
    ],
)
def test_an_impossible_field_is_unknown_and_reported_once(
    tmp_path: Path, path: tuple[str, ...], value: Any, expected: Location
) -> None:
    """Bad input: the rest of the record counts, and the operator is told, once, where it was met."""
    database = city(write_database(tmp_path / "city.mmdb", {RANGE: changed(*path, to=value)}))
    (problem,) = database.health().problems
    assert [locate(database) for _ in range(3)] == [expected] * 3
    assert database.health().problems == (problem,)
    assert problem.startswith(f"203.0.113.0/24: {'.'.join(path)} cannot be ")
    assert len(problem) < 200
    assert database.health().state == "ok"


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"country": {"iso_code": "NO"}}, Location("NO")),
        ({"country": {}, "location": {"latitude": 1.0}}, None),
        ({"country": {"geoname_id": 1}, "city": {"names": {"de": "Wien"}}}, None),
        ({"continent": {"code": "EU"}}, None),
    ],
)
def test_a_field_that_is_absent_is_just_unknown(
    tmp_path: Path, record: dict[str, Any], expected: Location | None
) -> None:
    """Many records of a sound database name but the country."""
    database = city(write_database(tmp_path / "city.mmdb", {"198.51.100.0/24": OSLO, RANGE: record}))
    assert locate(database) == expected
    assert database.health().problems == ()


@pytest.mark.parametrize("record", ["text", 7, ["list"], {}])
def test_a_record_that_is_no_record_is_unknown(tmp_path: Path, record: Any) -> None:
    database = city(write_database(tmp_path / "city.mmdb", {"198.51.100.0/24": OSLO, RANGE: record}))
    assert locate(database) is None


@pytest.mark.parametrize(
    ("number", "name", "expected"),
    [
        (64500, "Example", (64500, "Example")),
        (4_200_000_000, None, (4_200_000_000, None)),
        (0, "Example", (None, "Example")),
        (2**32, "Example", (None, "Example")),
        ("AS64500", "Example", (None, "Example")),
        (64500, 7, (64500, None)),
    ],
)
def test_a_system_is_believed_as_far_as_it_is_possible(
    tmp_path: Path, number: Any, name: Any, expected: tuple[Any, ...]
) -> None:
    record = {"autonomous_system_number": number}
    if name is not None:
        record["autonomous_system_organization"] = name
    path = write_database(tmp_path / "asn.mmdb", {"198.51.100.0/24": CARRIER, RANGE: record})
    database = AsnDatabase(path, "asn_database")
    current = database.current()
    assert current is not None
    assert current.system(ADDRESS) == expected
    assert bool(database.health().problems) is (None in expected and name is not None)


def test_a_database_of_ipv4_knows_nothing_of_ipv6(tmp_path: Path) -> None:
    database = city(write_database(tmp_path / "city.mmdb", {RANGE: OSLO}, ip_version=4))
    current = database.current()
    assert current is not None
    assert locate(database) is not None
    assert current.location(parse("2001:db8::1")) is None
    assert database.health().problems == ()


@pytest.mark.parametrize(
    ("damage", "state"),
    [
        (lambda sound: b"", "broken"),
        (lambda sound: b"<html>no such licence</html>" * 100, "broken"),
        (lambda sound: sound[: len(sound) // 2], "broken"),
        (lambda sound: sound[:-20], "broken"),
        (lambda sound: sound[len(sound) // 2 :], "broken"),
        (lambda sound: b"\xff" * 500 + sound[500:], "broken"),
        (lambda sound: b"\xab\xcd\xefMaxMind.com" * 9, "broken"),
    ],
)
def test_a_damaged_file_is_broken_and_the_old_version_answers(
    tmp_path: Path, damage: Any, state: str
) -> None:
    path = write_database(
        tmp_path / "city.mmdb", {f"203.0.{n}.0/24": OSLO for n in range(0, 256, 2)} | {RANGE: OSLO}
    )
    database = city(path)
    path.write_bytes(damage(path.read_bytes()))
    assert locate(database) == Location("NO", "Oslo", 59.9, 10.75, 20)
    assert database.health().state == state
    assert "stays in use" in database.health().problems[-1]
    fresh = city(path)
    assert fresh.current() is None
    assert fresh.health().state == state


@given(st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_flipped_bytes_raise_nothing(tmp_path: Path, data: st.DataObject) -> None:
    """Either the damage is seen when the file is read, or a record is unknown; nothing else is lost."""
    path = write_database(
        tmp_path / "city.mmdb", {f"203.0.{n}.0/24": OSLO for n in range(0, 256, 2)} | {RANGE: OSLO}
    )
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    database = city(path)
    if (current := database.current()) is not None:
        for number in range(0, 256, 5):
            current.location(parse(f"203.0.113.{number}"))
            current.location(parse(f"203.0.{number}.1"))
    assert database.health().state in {"ok", "broken", "empty"}


def test_a_database_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = write_database(tmp_path / "asn.mmdb", {RANGE: CARRIER})
    health = city(path).health()
    assert health.state == "broken"
    assert health.problems == ("no record has city or country or location: another kind of database",)


def test_a_database_without_networks_is_empty(tmp_path: Path) -> None:
    path = write_database(tmp_path / "city.mmdb", {RANGE: OSLO})
    database = city(path)
    write_database(path, {})
    assert database.health().state in {"empty", "broken"}
    assert locate(database) is not None


def test_cutting_the_file_short_under_us_ends_nothing(tmp_path: Path) -> None:
    """`curl -o` and `cp` write in place; reading a mapped file beyond its end would kill the process (SIGBUS)."""
    path = write_database(
        tmp_path / "city.mmdb", {f"203.{n}.113.0/24": OSLO for n in range(256)} | {RANGE: OSLO}
    )
    database = city(path)
    os.truncate(path, 10)
    assert locate(database) == Location("NO", "Oslo", 59.9, 10.75, 20)
    assert database.health().state == "broken"


def test_age_counts_from_when_the_database_was_built(tmp_path: Path) -> None:
    """Copying an old database does not make it new."""
    built = datetime.now(UTC) - timedelta(days=40)
    path = write_database(tmp_path / "city.mmdb", {RANGE: OSLO}, built=built)
    health = city(path, max_age=timedelta(days=39)).health()
    assert health.state == "stale"
    assert health.modified_at == built.replace(microsecond=0)
    assert city(path, max_age=timedelta(days=41)).health().state == "ok"


def test_a_database_from_the_future_is_reported(tmp_path: Path) -> None:
    built = datetime.now(UTC) + timedelta(days=400)
    health = city(write_database(tmp_path / "city.mmdb", {RANGE: OSLO}, built=built)).health()
    assert health.problems == (f"the data are dated {built:%Y-%m-%d}, in the future",)


def test_a_database_that_shrank_by_half_is_used_and_reported(tmp_path: Path) -> None:
    many = {f"203.{n}.113.0/24": OSLO for n in range(256)}
    path = write_database(tmp_path / "city.mmdb", many | {RANGE: OSLO})
    database = city(path)
    write_database(path, {RANGE: OSLO})
    assert locate(database) is not None
    (problem,) = database.health().problems
    assert problem.startswith("the data shrank from ")


def test_a_name_that_is_no_text_makes_a_database_broken(tmp_path: Path) -> None:
    """The reader in C crashes at such a record, so that the whole server would end."""
    path = write_database(tmp_path / "city.mmdb", {RANGE: OSLO})
    content = path.read_bytes()
    assert content.count(b"\x47country") == 1
    path.write_bytes(content.replace(b"\x47country", b"\xa7country"))  # seven bytes of a number
    health = city(path).health()
    assert health.state == "broken"
    assert "a field is called" in health.problems[0]


def test_damage_beyond_what_was_checked_is_unknown_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large database is not checked as a whole; what is damaged costs only its own networks."""
    monkeypatch.setattr(databases, "CHECKED", 1)
    bergen = {"country": {"iso_code": "NO"}, "city": {"names": {"en": "Bergen"}}}
    path = write_database(
        tmp_path / "city.mmdb", {"198.51.100.0/24": bergen, "198.51.102.0/24": bergen, RANGE: OSLO}
    )
    content = path.read_bytes()
    path.write_bytes(content.replace(b"Oslo (de)", b"\xff" * 9))
    database = city(path)
    current = database.current()
    assert current is not None
    assert current.location(parse("198.51.100.1")) == Location("NO", "Bergen")
    assert locate(database) is None
    health = database.health()
    assert health.state == "ok"
    assert health.problems == ("203.0.113.7: the database is damaged here (UnicodeDecodeError)",)
