"""Databases in MaxMind's format, made for tests."""

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch

from mmdb_writer import MMDBWriter
from netaddr import IPSet

OSLO: dict[str, Any] = {
    "country": {"iso_code": "NO", "names": {"en": "Norway"}},
    "city": {"names": {"de": "Oslo (de)", "en": "Oslo"}},
    "location": {"latitude": 59.9, "longitude": 10.75, "accuracy_radius": 20},
}
CARRIER: dict[str, Any] = {
    "autonomous_system_number": 64500,
    "autonomous_system_organization": "Example Mobile",
}


def write_database(
    path: Path, records: Mapping[str, Any], *, built: datetime | None = None, ip_version: int = 6
) -> Path:
    """Write a database of network → record, put in place whole; `built` is when it says that it was made."""
    writer = MMDBWriter(ip_version, "Test", ["en"], "made for a test", ipv4_compatible=ip_version == 6)
    for network, record in records.items():
        writer.insert_network(IPSet([network]), record)
    new = path.with_name(path.name + ".new")
    if built is None:
        writer.to_db_file(str(new))
    else:
        with patch("mmdb_writer.time.time", built.timestamp):
            writer.to_db_file(str(new))
    os.replace(new, path)
    return path
