"""The outbox of development and demonstration: messages become files in a folder instead of being sent.

It shows one-time codes to whoever can read the folder, so production refuses to start with it.
"""

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from idprotect import clock
from idprotect.senders import Channel, Message, SendError


@dataclass(frozen=True, slots=True, kw_only=True)
class SentMessage(Message):
    """A message as it lies in the outbox."""

    sent_at: datetime


class Outbox:
    """A folder with one JSON file per message, readable by its owner only."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._naming = threading.Lock()
        self._last_number = 0

    def send(self, message: Message) -> None:
        """Write the message to the folder, whole or not at all.

        :raises SendError: the folder cannot be written to.
        """
        content = json.dumps({**asdict(message), "sent_at": clock.now().isoformat()}, indent=2)
        path = self.folder / self._name()
        temporary = path.with_suffix(".tmp")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(content)
            os.replace(temporary, path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise SendError(f"the outbox cannot be written to: {error.strerror}") from None

    def messages(self) -> list[SentMessage]:
        """Return all messages, newest first."""
        return list(self._newest_first())

    def latest(self, *, to: str | None = None, channel: Channel | None = None) -> SentMessage | None:
        """Return the newest message to that address and by that channel."""
        for message in self._newest_first():
            if to in (None, message.to) and channel in (None, message.channel):
                return message
        return None

    def _name(self) -> str:
        """Make a name that sorts by time, also for messages of the same instant."""
        with self._naming:
            self._last_number = max(self._last_number + 1, time.time_ns())
            return f"{self._last_number:020d}-{secrets.token_hex(4)}.json"

    def _newest_first(self) -> Iterator[SentMessage]:
        for path in sorted(self.folder.glob("*.json"), reverse=True):
            # Somebody may tidy up the folder by hand, or leave a file of his own there.
            with suppress(OSError, ValueError, KeyError, TypeError):
                yield _message(path.read_text(encoding="utf-8"))


def _message(text: str) -> SentMessage:
    content = json.loads(text)
    return SentMessage(**{**content, "sent_at": datetime.fromisoformat(content["sent_at"])})
