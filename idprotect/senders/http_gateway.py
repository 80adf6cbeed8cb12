"""Text messages (or mail) through the operator's HTTP gateway: one POST of JSON with a bearer token.

    POST /messages
    Authorization: Bearer …
    Idempotency-Key: <id of the message>

    {"id": …, "channel": "sms", "to": "+41791234567", "subject": null, "body": …, "purpose": "sign_in_code"}

Any 2xx answer means that the message was taken; its content is not read.
"""

import http.client
import ipaddress
import json
import ssl
from dataclasses import asdict
from http import HTTPStatus
from urllib.parse import urlsplit

from idprotect.errors import ConfigurationError
from idprotect.senders import PATIENCE, Attempt, Message, SendError, patience, within


class HttpGateway:
    """Posts messages to one URL.

    :param allow_http: send over plain http to another machine, where the network itself is trusted.
    :param tls: how the gateway's certificate is verified; by default with the system's authorities.
    :raises ConfigurationError: the URL or the token is unsafe.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout: float = PATIENCE,
        allow_http: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        # The messages below name neither URL nor token: start-up errors are logged too.
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigurationError("the gateway's token must be printable ASCII without spaces")
        try:
            parts = urlsplit(url)
            self._host, self._port = parts.hostname or "", parts.port
        except ValueError:
            raise ConfigurationError("the gateway's URL cannot be understood") from None
        if parts.scheme not in ("https", "http") or not self._host or parts.username is not None:
            raise ConfigurationError("the gateway's URL must be https://host/path, without a password")
        self._is_tls = parts.scheme == "https"
        if not (self._is_tls or allow_http or _is_this_machine(self._host)):
            raise ConfigurationError("the gateway's URL must be https: codes and the token would be readable")
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._token = token
        self._timeout = patience(timeout)
        self._tls = tls or ssl.create_default_context()

    def send(self, message: Message) -> None:
        """Post the message once. Redirects are not followed: the token is for this URL only.

        :raises SendError: the gateway did not take it, or not in time.
        """
        within(self._timeout, lambda attempt: self._post(message, attempt))

    def _post(self, message: Message, attempt: Attempt) -> None:
        connection = self._connection()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Idempotency-Key": message.id,
            "User-Agent": "idprotect",
            "Connection": "close",
        }
        try:
            connection.connect()
            attempt.uses(connection.sock)
            told = {name: value for name, value in asdict(message).items() if name != "unsubscribe_url"}
            connection.request("POST", self._target, json.dumps(told).encode(), headers)
            with connection.getresponse() as response:
                status = response.status
        finally:
            connection.close()
        if not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            raise SendError(f"the gateway answered {status}")

    def _connection(self) -> http.client.HTTPConnection:
        if self._is_tls:
            return http.client.HTTPSConnection(
                self._host, self._port, timeout=self._timeout, context=self._tls
            )
        return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
