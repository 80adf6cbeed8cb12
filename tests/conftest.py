"""Fixtures of all tests; what they run on is in ``tests/support``."""

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from idprotect import clock
from idprotect.keys import KeyRing
from tests.support.postgres import shared_folder
from tests.support.world import Clock, World
from tests.support.world import world as running_world

pytest_plugins = ["tests.support.browser", "tests.support.postgres"]
# A property may take its time on a busy machine; how long is no property of ours.
settings.register_profile("idprotect", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("idprotect")


@pytest.fixture(scope="session")
def keys(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of keys made once for all workers: a 3072-bit key takes a second."""
    folder = shared_folder(request.config, tmp_path_factory) / "keys"
    with open(folder.parent / "keys.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        KeyRing(folder).signing_key()
        _ = (KeyRing(folder).pepper, KeyRing(folder).app_secret, KeyRing(folder).keyed_hash("made"))
    return folder


@pytest.fixture
def moved_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Put the one clock into the test's hands."""
    moved = Clock()
    real_time = time.time
    monkeypatch.setattr(clock, "now", moved.now)
    # The relying party and the libraries look at the system's clock; theirs has to agree with ours.
    monkeypatch.setattr(time, "time", lambda: real_time() + moved.offset.total_seconds())
    return moved


@pytest.fixture
def make_world(tmp_path: Path, keys: Path, moved_clock: Clock) -> Iterator[Callable[..., World]]:
    """Return a factory of worlds with settings of their own."""
    with ExitStack() as stack:
        count = iter(range(100))

        def make(**config: Any) -> World:
            folder = tmp_path / f"world{next(count)}"
            folder.mkdir(mode=0o700)
            return stack.enter_context(running_world(folder, keys, moved_clock, **config))

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """Run a server with its relying party."""
    return make_world()
