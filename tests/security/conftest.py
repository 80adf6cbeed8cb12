"""Fixtures of the security tests."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from idprotect import clock, migrations
from idprotect.runtime import runtime
from tests.security.place import ISSUER, Place, make_place
from tests.security.tour import Tour, make_tour
from tests.support.world import Clock, build_app


@pytest.fixture(scope="session")
def pristine(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty database with all tables: copying it is quicker than making it."""
    folder = tmp_path_factory.mktemp("pristine")
    app = build_app(ISSUER, folder, keys)
    with app.app_context():
        migrations.upgrade()
        with runtime().db.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        runtime().db.engine.dispose()
    return folder / "idprotect.sqlite"


@pytest.fixture
def make_a_place(
    tmp_path: Path, keys: Path, pristine: Path, moved_clock: Clock
) -> Iterator[Callable[..., Place]]:
    """Return a factory of servers with settings of their own."""
    made: list[Place] = []

    def make(**config: Any) -> Place:
        made.append(make_place(tmp_path / f"place{len(made)}", keys, pristine, moved_clock, **config))
        return made[-1]

    yield make
    for place in made:
        with place.app.app_context():
            runtime().db.engine.dispose()


@pytest.fixture
def place(make_a_place: Callable[..., Place]) -> Place:
    """Run a server behind https."""
    return make_a_place()


@pytest.fixture(scope="session")
def tour(keys: Path, pristine: Path, tmp_path_factory: pytest.TempPathFactory) -> Tour:
    """Go on a tour of everything, once; afterwards it is only looked at."""
    with pytest.MonkeyPatch.context() as patch:
        moved, real_time = Clock(), time.time
        patch.setattr(clock, "now", moved.now)
        patch.setattr(time, "time", lambda: real_time() + moved.offset.total_seconds())
        folder = tmp_path_factory.mktemp("tour") / "place"
        return make_tour(make_place(folder, keys, pristine, moved))
