import socket
import threading
import time

import pytest

from idprotect import senders
from idprotect.senders import Attempt, SendError, within
from idprotect.senders.null import NullSender


def test_where_nothing_is_configured_nothing_is_sent(make_message):
    with pytest.raises(SendError, match="not configured"):
        NullSender().send(make_message())


def test_code_and_address_stay_out_of_logs(make_message):
    text = repr(make_message())
    assert "493817" not in text
    assert "alice" not in text
    assert "sign_in_code" in text


def test_each_message_has_an_id_of_its_own(make_message):
    assert len({make_message().id for _ in range(100)}) == 100


def test_call_that_answers_in_time_succeeds():
    done = []
    within(1, done.append)
    assert isinstance(done[0], Attempt)


def test_waiting_ends_when_the_time_is_over():
    free = threading.Event()
    began = time.monotonic()
    with pytest.raises(SendError, match="no answer in time"):
        within(0.1, lambda attempt: free.wait(5))
    assert time.monotonic() - began < 4
    free.set()


def test_foreign_exceptions_are_told_without_their_text():
    def fail(attempt):
        raise ValueError("Bearer s3cret")

    with pytest.raises(SendError) as error:
        within(1, fail)
    assert str(error.value) == "sending failed: ValueError"
    assert error.value.__context__ is None


def test_own_errors_come_through():
    def fail(attempt):
        raise SendError("the gateway answered 500")

    with pytest.raises(SendError, match="answered 500"):
        within(1, fail)


def test_calling_off_wakes_the_thread_that_waits_for_a_byte():
    here, there = socket.socketpair()
    woken = threading.Event()

    def read(attempt):
        attempt.uses(here)
        here.recv(1)
        woken.set()

    with here, there:
        with pytest.raises(SendError):
            within(0.1, read)
        assert woken.wait(2)


def test_connection_made_too_late_sends_nothing():
    here, there = socket.socketpair()
    there.settimeout(2)
    free, stopped = threading.Event(), threading.Event()

    def connect_slowly(attempt):
        free.wait(5)
        try:
            attempt.uses(here)
            here.send(b"code")
        except SendError:
            stopped.set()

    with here, there:
        with pytest.raises(SendError):
            within(0.1, connect_slowly)
        free.set()
        assert stopped.wait(2)
        assert there.recv(1) == b""


def test_hanging_providers_do_not_pile_up_threads(monkeypatch):
    monkeypatch.setattr(senders, "_places", threading.BoundedSemaphore(2))
    free = threading.Event()
    for _ in range(2):
        with pytest.raises(SendError, match="in time"):
            within(0.05, lambda attempt: free.wait(5))
    with pytest.raises(SendError, match="too many"):
        within(0.05, lambda attempt: free.wait(5))
    free.set()
    deadline = time.monotonic() + 5
    while senders._places._value < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    within(1, lambda attempt: None)


def test_machine_without_threads_left_is_told_as_send_error(monkeypatch):
    places = threading.BoundedSemaphore(1)
    monkeypatch.setattr(senders, "_places", places)
    monkeypatch.setattr(senders.threading.Thread, "start", lambda self: (_ for _ in ()).throw(RuntimeError()))
    for _ in range(2):
        with pytest.raises(SendError, match="too many"):
            within(1, lambda attempt: None)
    assert places.acquire(blocking=False)


@pytest.mark.parametrize("seconds", [0, -1, 2.1, 60])
def test_no_sender_may_be_configured_to_hold_a_page_longer_than_two_seconds(seconds):
    with pytest.raises(ValueError, match="at most 2"):
        senders.patience(seconds)
    assert senders.patience(2) == 2
