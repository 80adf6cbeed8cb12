"""Mail through the operator's SMTP server."""

import smtplib
import ssl
import unicodedata
from contextlib import suppress
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any, Literal

from idprotect import clock
from idprotect.errors import ConfigurationError
from idprotect.senders import PATIENCE, Attempt, Message, SendError, patience, within

Security = Literal["starttls", "tls", "none"]

_PORTS: dict[Security, int] = {"starttls": 587, "tls": 465, "none": 25}

#: RFC 5321, section 4.5.3.1.3: a path has at most 256 octets, with its angle brackets.
LONGEST_ADDRESS = 254


class SmtpSender:
    """Sends each mail over a connection of its own.

    :param sender: the address in `From`, with or without a name: "idprotect <no-reply@example.org>".
    :param security: `starttls` never falls back to plain text when the server does not offer it.
    :param tls: how the server's certificate is verified; by default with the system's authorities.
    :raises ConfigurationError: the settings contradict one another or are unsafe.
    """

    def __init__(
        self,
        host: str,
        sender: str,
        *,
        port: int | None = None,
        security: Security = "starttls",
        user_name: str | None = None,
        password: str | None = None,
        timeout: float = PATIENCE,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if security not in _PORTS:
            raise ConfigurationError("the security of SMTP must be starttls, tls or none")
        if security == "none" and user_name:
            raise ConfigurationError("SMTP with a password needs starttls or tls: it would be readable")
        try:
            name, address = parseaddr(_one_line(sender))
            self._from = Address(name, addr_spec=_one_address(address).addr_spec)
        except SendError:
            raise ConfigurationError(f"{sender!r} is not a mail address to send from") from None
        self._host = host
        self._port = port or _PORTS[security]
        self._security = security
        self._user_name = user_name
        self._password = password
        self._timeout = patience(timeout)
        self._tls = tls or ssl.create_default_context()

    def send(self, message: Message) -> None:
        """Hand the mail over to the server.

        :raises SendError: the mail cannot be written, or the server did not take it, or not in time.
        """
        if message.channel != "mail":
            raise SendError("a text message cannot be sent as mail")
        to = _one_address(message.to)
        mail = self._mail(message, to)
        within(self._timeout, lambda attempt: self._deliver(mail, to, attempt))

    def _mail(self, message: Message, to: Address) -> EmailMessage:
        mail = EmailMessage()
        try:
            mail["From"] = self._from
            mail["To"] = to
            mail["Subject"] = _one_line(message.subject or "")
            mail["Message-ID"] = f"<{_one_line(message.id)}@{self._from.domain}>"
            mail["Date"] = format_datetime(clock.now())
            mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office replies
            if message.unsubscribe_url is not None:
                mail["List-Unsubscribe"] = f"<{_one_line(message.unsubscribe_url)}>"
                mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
            mail.set_content(message.body)
        except (ValueError, MessageError):
            raise SendError("the message cannot be written as mail") from None
        return mail

    def _deliver(self, mail: EmailMessage, to: Address, attempt: Attempt) -> None:
        try:
            smtp = self._connection(attempt)
            try:
                if self._security == "starttls":
                    smtp.starttls(context=self._tls)
                if self._user_name:  # an empty setting means no sign-in
                    smtp.login(self._user_name, self._password or "")
                smtp.send_message(mail, self._from.addr_spec, [to.addr_spec])
                with suppress(OSError, smtplib.SMTPException):
                    # The mail is taken; waiting for the farewell could only turn success into failure.
                    smtp.putcmd("QUIT")
            finally:
                smtp.close()
        except smtplib.SMTPResponseException as refusal:
            raise SendError(f"the mail server answered {refusal.smtp_code}") from None
        except smtplib.SMTPRecipientsRefused:
            raise SendError("the mail server refused the address") from None

    def _connection(self, attempt: Attempt) -> smtplib.SMTP:
        # Without a name of our own smtplib asks the name server for one, which may take its time.
        arguments: dict[str, Any] = {"local_hostname": self._from.domain, "timeout": self._timeout}
        if self._security == "tls":
            return _TlsConversation(attempt, self._host, self._port, context=self._tls, **arguments)
        return _Conversation(attempt, self._host, self._port, **arguments)


class _Conversation(smtplib.SMTP):
    """A conversation that can be called off. The constructor already waits for the server's greeting."""

    def __init__(self, attempt: Attempt, *args: Any, **kwargs: Any) -> None:
        self._attempt = attempt
        super().__init__(*args, **kwargs)

    def getreply(self) -> tuple[int, bytes]:
        """Read an answer, after telling which connection to cut if it does not come."""
        self._attempt.uses(self.sock)
        return super().getreply()


class _TlsConversation(_Conversation, smtplib.SMTP_SSL):
    """The same, encrypted from the first byte."""


def _one_address(text: str) -> Address:
    """Read exactly one address; a list would send the code to others as well."""
    try:
        address = Address(addr_spec=_one_line(text))
    except (ValueError, MessageError, IndexError):  # IndexError: its parser, on some incomplete addresses
        raise SendError("the mail address cannot be used") from None
    if not (address.username and address.domain) or len(text) > LONGEST_ADDRESS:
        raise SendError("the mail address cannot be used")
    return address


def _one_line(text: str) -> str:
    """Refuse line breaks and control characters: they would add headers of the attacker's choice."""
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in text):
        raise SendError("a header of the mail contains a control character")
    return text
