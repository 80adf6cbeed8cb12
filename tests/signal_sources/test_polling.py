"""Poll (RFC 8936) with a transmitter that does as it likes: acks, refusals, what comes again, what is no answer."""

from typing import Any

import pytest

from idprotect.errors import InteractionError
from idprotect.signal_sources import polling, receiving, sources, transmitter
from idprotect.testing import Provider
from tests.signal_sources.conftest import Listen, Source, detections_of, ours, risk_of


@pytest.fixture
def polled(provider: Provider, listen: Listen) -> Source:
    """Listen to a transmitter that is asked."""
    source = listen(provider, poll_url="https://x.example/poll", secret="a-bearer-token")
    source.act(lambda row: sources.move(row, f"{source.transmitter.url}/poll"))
    return source


def wait(source: Source, subject: Any, **claims: Any) -> str:
    """Let an event wait to be fetched; return its jti."""
    told = {**source.transmitter.claims(subject), **claims}
    source.transmitter.waiting[told["jti"]] = source.transmitter.sign(told)
    return str(told["jti"])


def test_what_was_taken_is_acknowledged_and_what_was_not_is_said(provider: Provider, polled: Source) -> None:
    """C020: ack and setErrs, with the token that was agreed on; one bad event keeps no other waiting."""
    ada, kim = provider.person(), provider.person()
    good, bad = wait(polled, ours(provider, ada)), wait(polled, ours(provider, kim), aud="others")
    other = wait(polled, {"format": "opaque", "id": "stranger"})
    assert polled.act(polling.poll) == 3
    assert (risk_of(ada), risk_of(kim)) == ("high", "none")
    (_, first), (header, second) = polled.transmitter.asked
    assert header == "Bearer a-bearer-token"
    assert (first["ack"], first["setErrs"], first["returnImmediately"]) == ([], {}, True)
    assert sorted(second["ack"]) == sorted([good, other])
    assert second["setErrs"][bad]["err"] == "invalid_audience"
    assert polled.row().poll_failures == 0


def test_a_transmitter_that_forgets_no_event_is_not_asked_for_ever(
    provider: Provider, polled: Source
) -> None:
    """C020: each event counts once; who sends again what was acknowledged is asked ever more seldom."""
    ada = provider.person()
    polled.transmitter.forgets, failures = False, polled.row().poll_failures
    wait(polled, ours(provider, ada))
    polled.act(polling.poll)
    assert len(polled.transmitter.asked) == 2
    assert len(detections_of(ada)) == 1
    row = polled.row()
    assert row.poll_failures == failures + 1
    assert "again" in row.failed_why


def test_a_source_that_is_held_is_not_asked(provider: Provider, polled: Source) -> None:
    """C020: the transmitter keeps what is there; resumed, it is asked at once."""
    polled.act(sources.pause, "boss", "a look first")
    with provider.later(hours=1):
        provider.deliver()
    assert polled.transmitter.asked == []
    polled.act(receiving.resume, "boss", "fine", release=True)
    provider.deliver()
    assert len(polled.transmitter.asked) >= 1


def test_an_answer_that_is_none_is_a_failure(provider: Provider, polled: Source) -> None:
    """C020, section 9: JSON that is no answer, HTML, nothing at all."""
    for path in ("jwks", ".well-known/ssf-configuration", "nowhere"):
        polled.act(lambda row, path=path: sources.move(row, f"{polled.transmitter.url}/{path}"))
        polled.act(polling.poll)
        assert "The transmitter answers" in polled.row().failed_why
    polled.act(lambda row: sources.move(row, "file:///etc/passwd"))
    assert str(polled.row().poll_url).endswith("/nowhere"), "where it cannot be, it is not moved"


def test_a_stream_for_somebody_else_is_not_ours(polled: Source) -> None:
    """C020: the audience has to be what the transmitter calls us, or nothing would ever be believed."""
    with pytest.raises(InteractionError, match="somebody else"):
        polled.act(transmitter.subscribe, "boss")
