"""Keys that are fetched, between threads: nobody waits for an application whose keys are known."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import pytest

from idprotect import clock, key_sets
from idprotect.oidc import client_keys
from idprotect.oidc.client_keys import FRESH, MOST_URLS, KeyCache
from idprotect.senders.outgoing import PUBLIC
from tests.oidc.signing import KEY, public

URL = "https://app.example/keys"
START = datetime(2031, 1, 1, tzinfo=UTC)


def test_nobody_waits_for_keys_that_another_fetches_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """SR6 server-side fetches: a slow application takes one thread, and the others go on with what was fetched."""
    keys, cache, asked, answer = key_sets.load(public(KEY)), KeyCache(), Event(), Event()

    def slow(*_: object) -> object:
        asked.set()
        assert answer.wait(10)
        return keys

    monkeypatch.setattr(clock, "now", lambda: START)
    monkeypatch.setattr(client_keys, "_fetch", lambda *_: keys)
    assert cache.of(URL, "one", PUBLIC) is keys
    monkeypatch.setattr(clock, "now", lambda: START + FRESH + timedelta(seconds=1))
    monkeypatch.setattr(client_keys, "_fetch", slow)
    with ThreadPoolExecutor(2) as threads:
        fetching = threads.submit(cache.of, URL, "one", PUBLIC)
        assert asked.wait(10)
        meanwhile = threads.submit(cache.of, URL, "one", PUBLIC)
        try:
            assert meanwhile.result(5) is keys
        finally:
            answer.set()
        assert fetching.result(10) is keys


def test_who_comes_before_the_first_keys_waits_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two first requests at once are both answered, by one question."""
    keys, cache, asked = key_sets.load(public(KEY)), KeyCache(), []

    def fetch(url: str, _: object) -> object:
        asked.append(url)
        return keys

    monkeypatch.setattr(client_keys, "_fetch", fetch)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: cache.of(URL, "one", PUBLIC), range(4))) == [keys] * 4
    assert asked == [URL]


def test_changing_urls_fill_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """SR6: applications that register themselves may change theirs; those in use stay known."""
    keys, cache, asked = key_sets.load(public(KEY)), KeyCache(), []

    def fetch(url: str, _: object) -> object:
        asked.append(url)
        return keys

    monkeypatch.setattr(client_keys, "_fetch", fetch)
    for number in range(MOST_URLS + 5):
        cache.of(f"{URL}/{number}", "one", PUBLIC)
        cache.of(URL, "one", PUBLIC)
    assert len(cache) == MOST_URLS
    assert asked.count(URL) == 1
