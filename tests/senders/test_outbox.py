import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from idprotect import clock
from idprotect.senders import SendError, outbox
from idprotect.senders.outbox import Outbox


@pytest.fixture
def box(tmp_path):
    return Outbox(tmp_path / "instance" / "outbox")


def test_sent_message_lies_in_the_outbox(box, make_message, monkeypatch):
    moment = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
    monkeypatch.setattr(clock, "now", lambda: moment)
    message = make_message(channel="sms", to="+41791234567", subject=None)
    box.send(message)
    (found,) = box.messages()
    assert (found.channel, found.to, found.subject, found.body, found.purpose, found.id, found.sent_at) == (
        "sms", "+41791234567", None, message.body, "sign_in_code", message.id, moment,
    )  # fmt: skip


def test_messages_come_newest_first(box, make_message):
    for number in range(20):
        box.send(make_message(body=str(number)))
    assert [message.body for message in box.messages()] == [str(number) for number in reversed(range(20))]


def test_messages_of_the_same_instant_keep_their_order(box, make_message, monkeypatch):
    monkeypatch.setattr(outbox.time, "time_ns", lambda: 1)
    test_messages_come_newest_first(box, make_message)


def test_latest_message_to_somebody_by_some_channel_is_found(box, make_message):
    box.send(make_message(to="alice@example.org", body="1"))
    box.send(make_message(to="alice@example.org", body="2"))
    box.send(make_message(to="bob@example.org", body="3"))
    box.send(make_message(to="+41791234567", channel="sms", body="4"))
    assert box.latest().body == "4"
    assert box.latest(channel="mail").body == "3"
    assert box.latest(to="alice@example.org").body == "2"
    assert box.latest(to="alice@example.org", channel="sms") is None
    assert box.latest(to="carol@example.org") is None


def test_outbox_that_was_never_used_is_empty(box):
    assert box.messages() == []
    assert box.latest() is None


def test_only_the_owner_can_read_the_codes(box, make_message):
    old = os.umask(0)
    try:
        box.send(make_message())
    finally:
        os.umask(old)
    (file,) = box.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(box.folder.stat().st_mode) == 0o700


def test_identifier_of_a_message_is_no_path(box, make_message):
    box.send(make_message(id="../../escaped"))
    (file,) = box.folder.iterdir()
    assert json.loads(file.read_text())["id"] == "../../escaped"


def test_files_of_others_are_passed_over(box, make_message):
    box.send(make_message(body="1"))
    for name, content in {
        "a.json": "{",
        "b.json": "[]",
        "c.json": '{"to": 1}',
        "d.txt": "x",
        "e.tmp": "{}",
    }.items():
        (box.folder / name).write_text(content)
    (box.folder / "f.json").mkdir()
    assert [message.body for message in box.messages()] == ["1"]


def test_message_is_written_whole_or_not_at_all(box, make_message, monkeypatch):
    box.send(make_message(body="1"))

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(outbox.os, "replace", fail)
    with pytest.raises(SendError, match="No space left on device"):
        box.send(make_message(body="2"))
    assert len(list(box.folder.iterdir())) == 1


def test_folder_that_cannot_be_made_is_a_send_error(tmp_path, make_message):
    (tmp_path / "file").touch()
    with pytest.raises(SendError, match="cannot be written"):
        Outbox(tmp_path / "file" / "outbox").send(make_message())


def test_messages_sent_at_once_are_all_kept(box, make_message):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: box.send(make_message(body=str(number))), range(200)))
    assert {message.body for message in box.messages()} == {str(number) for number in range(200)}
