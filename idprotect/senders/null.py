"""Where nothing is configured, nothing is sent, and whoever asks is told."""

from idprotect.senders import Message, SendError


class NullSender:
    """Refuses every message."""

    def send(self, message: Message) -> None:
        """Refuse.

        :raises SendError: always.
        """
        raise SendError("not configured")
