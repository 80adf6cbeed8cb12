"""Make the sample's files anew from its tables; needs ``mmdb-writer``, which the tests bring along."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from idprotect.intelligence.sample import (
    ABUSE_IPS,
    ANONYMOUS_PROXIES,
    BLOCKS,
    FOLDER,
    TOR_EXITS,
    Block,
    System,
    Use,
)


def generate(folder: Path) -> None:
    """Write databases and lists, with the names that `sources.in_folder` understands."""
    _write_database(folder / "city.mmdb", "Sample-City", _city_record)
    _write_database(folder / "asn.mmdb", "Sample-ASN", _asn_record)
    hosting = (block.network for block in BLOCKS if block.system.use is Use.HOSTING)
    _write_list(folder / "tor_exits.txt", "Tor exits", TOR_EXITS)
    _write_list(folder / "anonymous_proxies.txt", "VPN exits and open proxies", ANONYMOUS_PROXIES)
    _write_list(folder / "hosting_ranges.txt", "Data centres", hosting)
    _write_list(folder / "hosting_asns.txt", "Data centres: ASN,organisation", _systems(Use.HOSTING))
    _write_list(folder / "mobile_asns.txt", "Mobile carriers: ASN,organisation", _systems(Use.MOBILE))
    _write_list(folder / "abuse_ips.txt", "Infected machines", ABUSE_IPS)


def _write_database(path: Path, kind: str, record: Callable[[Block], dict[str, Any]]) -> None:
    from mmdb_writer import MMDBWriter
    from netaddr import IPSet

    writer = MMDBWriter(6, kind, ["en"], "An imagined world, made for idprotect", ipv4_compatible=True)
    for block in BLOCKS:
        writer.insert_network(IPSet([block.network]), record(block))
    writer.to_db_file(str(path))


def _city_record(block: Block) -> dict[str, Any]:
    city = block.city
    return {
        "city": {"names": {"en": city.name}},
        "country": {"iso_code": city.country, "names": {"en": city.country_name}},
        "location": {
            "latitude": city.latitude,
            "longitude": city.longitude,
            "accuracy_radius": block.system.accuracy_km,
        },
    }


def _asn_record(block: Block) -> dict[str, Any]:
    system = block.system
    return {
        "autonomous_system_number": system.asn,
        "autonomous_system_organization": system.organisation,
    }


def _systems(use: Use) -> list[str]:
    systems: set[System] = {block.system for block in BLOCKS if block.system.use is use}
    return sorted(f"{system.asn},{system.organisation}" for system in systems)


def _write_list(path: Path, title: str, entries: Iterable[str]) -> None:
    path.write_text("\n".join((f"# {title} of an imagined world", *entries, "")), encoding="utf-8")


if __name__ == "__main__":
    generate(FOLDER)
