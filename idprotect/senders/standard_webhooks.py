"""Signatures of webhooks (Standard Webhooks, HMAC-SHA256): who sent a body, and when."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

PREFIX, BYTES = "whsec_", 32


def new_secret() -> str:
    """Return a secret as receivers are told it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def signed(keys: Sequence[str], message_id: str, at: datetime, body: str) -> dict[str, str]:
    """Return the headers of a body.

    :param keys: secrets; each signs, so that a receiver may know any of them.
    """
    timestamp = str(int(at.timestamp()))
    content = f"{message_id}.{timestamp}.{body}".encode()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(key, content) for key in keys),
    }


def _signature(key: str, content: bytes) -> str:
    raw = base64.b64decode(key.removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(raw, content, hashlib.sha256).digest()).decode()
