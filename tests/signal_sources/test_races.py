"""Many events at once, over SQLite and PostgreSQL: each counts once, limits hold, nobody waits for ever."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from idprotect.event_types import SESSION_REVOKED
from idprotect.testing import Provider, running
from tests.signal_sources.conftest import Listen, Source, detections_of, ours, risk_of

TOGETHER = 8


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def server(request: pytest.FixtureRequest) -> Iterator[Provider]:
    """Run a server over each database."""
    if request.param == "sqlite":
        with running() as provider:
            yield provider
        return
    cluster = request.getfixturevalue("postgres")
    with cluster.database() as url, running(IDPROTECT_DATABASE_URL=url) as provider:
        yield provider


def push_together(pushes: list[tuple[Source, str]]) -> list[int]:
    """Send tokens at the same moment; return the statuses."""
    barrier = Barrier(len(pushes))

    def push(each: tuple[Source, str]) -> int:
        barrier.wait()
        return each[0].push(each[1]).status_code

    with ThreadPoolExecutor(len(pushes)) as pool:
        return list(pool.map(push, pushes))


def test_a_token_that_comes_many_times_at_once_counts_once(server: Provider, listen: Listen) -> None:
    """C020, I5: one conditional write decides; all are taken."""
    source = listen(server)
    for _ in range(5):
        ada = server.person()
        token = source.transmitter.sign(source.transmitter.claims(ours(server, ada)))
        assert push_together([(source, token)] * TOGETHER) == [202] * TOGETHER
        assert len(detections_of(ada)) == 1
    assert len(source.outcomes()) == 5


def test_a_limit_holds_when_all_come_at_once(server: Provider, listen: Listen) -> None:
    """C020: of many people told of at one moment, no more than agreed; the others are held."""
    source = listen(server, people_per_hour=3)
    people = [server.person() for _ in range(TOGETHER)]
    tokens = [source.transmitter.sign(source.transmitter.claims(ours(server, person))) for person in people]
    assert push_together([(source, token) for token in tokens]) == [202] * TOGETHER
    assert sorted(source.outcomes().values()) == ["held"] * (TOGETHER - 3) + ["raised"] * 3
    assert sorted(map(risk_of, people)) == ["high"] * 3 + ["none"] * (TOGETHER - 3)


def test_several_sources_tell_of_one_person_at_once(server: Provider, listen: Listen) -> None:
    """C020: nobody waits for each other for ever, and each of them counts."""
    sources = [listen(server, events=(SESSION_REVOKED,)) for _ in range(4)]
    for _ in range(5):
        ada = server.person()
        pushes = []
        for source in sources:
            members = {"initiating_entity": "admin"}
            claims = source.transmitter.claims(ours(server, ada), SESSION_REVOKED, members)
            pushes.append((source, source.transmitter.sign(claims)))
        assert push_together(pushes) == [202] * len(pushes)
        assert len(detections_of(ada)) == len(sources)
        assert risk_of(ada) == "low"
