"""Whether what happens now is simulated, and then in which world: counts and address data of its own.

Set by :mod:`idprotect.simulation` alone, in the context of one request in process; see :func:`idprotect.clock.set_to`.
What is simulated is marked, counted apart, limited apart, written to no audit log and sent to nobody.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from idprotect.intelligence import Intelligence
from idprotect.risk.population import MemoryCounts


@dataclass(frozen=True)
class World:
    """What simulated people live in.

    :param intelligence: where documentation addresses mean something.
    :param leaked: the passwords that its thieves know.
    """

    intelligence: Intelligence
    leaked: set[str] = field(default_factory=set)
    counts: MemoryCounts = field(default_factory=MemoryCounts)


_world: ContextVar[World | None] = ContextVar("idprotect_simulated_world", default=None)


def world() -> World | None:
    """Return the world that this happens in; None: the real one."""
    return _world.get()


def is_running() -> bool:
    """Whether what happens now is simulated."""
    return _world.get() is not None


@contextmanager
def within(world: World) -> Iterator[None]:
    """Let what happens in this context happen in a simulated world."""
    token = _world.set(world)
    try:
        yield
    finally:
        _world.reset(token)
