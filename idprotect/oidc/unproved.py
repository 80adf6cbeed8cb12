"""What anybody may have us keep in the name of a public client, which proves nothing: so much from one address."""

from datetime import timedelta

from authlib.oauth2 import OAuth2Error

from idprotect import browser, throttle
from idprotect.errors import TooManyAttempts
from idprotect.keys import sha256
from idprotect.models import ClientRules
from idprotect.runtime import settings

WINDOW = timedelta(minutes=15)


class TooManyRequests(OAuth2Error):  # type: ignore[misc]
    """It has to wait (RFC 9126 section 2.3; the code is that of RFC 8628 section 3.5)."""

    error = "slow_down"
    status_code = 429

    def __init__(self, retry_after: int) -> None:
        super().__init__("Too many requests from this address.")
        self.retry_after = retry_after

    def get_headers(self) -> list[tuple[str, str]]:
        """Return the headers of the answer."""
        return [*super().get_headers(), ("Retry-After", str(self.retry_after))]


def count(client: ClientRules) -> None:
    """Count a request that will be kept. Commits.

    :raises TooManyRequests: when there were too many of this client, from this address.
    """
    if not client.is_public:
        return
    key = f"unproved:{sha256(client.id)[:40]}:{throttle.network_of(browser.ip_address())}"
    try:
        throttle.check(key, settings().public_client_requests, WINDOW)
    except TooManyAttempts as limit:
        raise TooManyRequests(limit.retry_after) from None
