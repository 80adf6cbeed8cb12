import base64
import socket
import socketserver
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from email import message_from_bytes, policy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from idprotect.errors import ConfigurationError
from idprotect.senders import Message, SendError
from idprotect.senders.smtp import SmtpSender

FROM = "idprotect <no-reply@id.example>"


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks just enough SMTP, and keeps what it was told."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, *, tls=None, offers_starttls=False, is_tls=False, answers=None, delay=None):
        super().__init__(("127.0.0.1", 0), Conversation)
        self.tls, self.offers_starttls, self.is_tls = tls, offers_starttls, is_tls
        self.answers, self.delay = answers or {}, delay or {}
        self.ended = threading.Event()
        self.commands, self.mails = [], []

    def handle_error(self, *args):
        pass


class Conversation(socketserver.BaseRequestHandler):
    def handle(self):
        self.encrypted = False
        if self.server.is_tls:
            self.encrypt()
        self.lines = self.request.makefile("rb")
        with suppress(OSError):
            self.say("greeting", "220 ready")
            while line := self.lines.readline():
                self.obey(line.decode().rstrip("\r\n"))

    def encrypt(self):
        self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        self.lines = self.request.makefile("rb")
        self.encrypted = True

    def say(self, verb, usual):
        text = self.server.answers.get(verb, usual)
        for byte in f"{text}\r\n".encode() if verb in self.server.delay else [None]:
            if byte is None:
                self.request.sendall(f"{text}\r\n".encode())
            elif self.server.ended.wait(self.server.delay.get(verb, 0)):
                raise OSError
            else:
                self.request.sendall(bytes([byte]))

    def obey(self, line):
        self.server.commands.append((line, self.encrypted))
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            offers = "250-STARTTLS\r\n" if self.server.offers_starttls and not self.encrypted else ""
            self.say(verb, f"250-here\r\n{offers}250 AUTH PLAIN")
        elif verb == "STARTTLS":
            self.say(verb, "220 go on")
            self.encrypt()
        elif verb == "AUTH":
            self.say(verb, "235 welcome")
        elif verb == "DATA":
            self.say(verb, "354 speak")
            content = b""
            while (text := self.lines.readline()) not in (b".\r\n", b""):
                content += text
            self.server.mails.append(content)
            self.say("end", "250 taken")
        else:
            self.say(verb, "250 fine")


@contextmanager
def running(**kwargs):
    with MailServer(**kwargs) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.ended.set()
            server.shutdown()
            thread.join()


def sender_to(server, **kwargs):
    return SmtpSender("127.0.0.1", FROM, port=server.server_address[1], **{"security": "none", **kwargs})


def error_of(sender, message):
    with pytest.raises(SendError) as error:
        sender.send(message)
    told = "".join(traceback.format_exception(error.value))
    for secret in ("s3cret", message.body, "alice"):
        assert secret not in told
    return str(error.value)


def commands_of(server):
    return [line for line, _ in server.commands]


def test_mail_arrives_whole(make_message):
    message = make_message(subject="Ihr Schlüssel", body="Grüße,\n.\nIhr Code: 493817\n" + "lang " * 300)
    with running() as server:
        sender_to(server).send(message)
    assert commands_of(server)[0] == "ehlo id.example"
    assert "mail FROM:<no-reply@id.example>" in commands_of(server)
    assert [line for line in commands_of(server) if "rcpt" in line] == ["rcpt TO:<alice@example.org>"]
    (content,) = server.mails
    mail = message_from_bytes(content.replace(b"\r\n..", b"\r\n."), policy=policy.default)
    assert mail["From"] == FROM
    assert mail["To"] == "alice@example.org"
    assert mail["Subject"] == "Ihr Schlüssel"
    assert mail["Message-ID"] == f"<{message.id}@id.example>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"]
    assert mail.get_content().splitlines() == message.body.splitlines()


def test_starttls_encrypts_password_and_mail(tls, make_message):
    with running(tls=tls.server, offers_starttls=True) as server:
        sender = sender_to(server, security="starttls", tls=tls.client, user_name="idp", password="s3cret")
        sender.send(make_message())
    assert len(server.mails) == 1
    assert {line.split(" ")[0].upper() for line, encrypted in server.commands if not encrypted} == {
        "EHLO",
        "STARTTLS",
    }
    credentials = base64.b64encode(b"\0idp\0s3cret").decode()
    assert f"AUTH PLAIN {credentials}" in commands_of(server)


def test_tls_encrypts_everything(tls, make_message):
    with running(tls=tls.server, is_tls=True) as server:
        sender_to(server, security="tls", tls=tls.client).send(make_message())
    assert len(server.mails) == 1


def test_server_that_offers_no_encryption_gets_no_mail(tls, make_message):
    with running() as server:
        sender = sender_to(server, security="starttls", tls=tls.client, user_name="idp", password="s3cret")
        assert error_of(sender, make_message()) == "sending failed: SMTPNotSupportedError"
    assert commands_of(server) == ["ehlo id.example"]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_server_with_an_unknown_certificate_gets_no_mail(tls, make_message, security):
    with running(tls=tls.server, offers_starttls=True, is_tls=security == "tls") as server:
        sender = sender_to(server, security=security)
        assert error_of(sender, make_message()) == "sending failed: SSLCertVerificationError"
    assert server.mails == []


@pytest.mark.parametrize(
    ("verb", "answer", "told"),
    [
        ("greeting", "554 go away", "the mail server answered 554"),
        ("MAIL", "550 alice may not", "the mail server answered 550"),
        ("RCPT", "550 no alice here", "the mail server refused the address"),
        ("DATA", "451 later, alice", "the mail server answered 451"),
        ("end", "552 too much for alice", "the mail server answered 552"),
        ("greeting", "what?", "the mail server answered -1"),
    ],
)
def test_refusal_is_told_without_what_the_server_said(make_message, verb, answer, told):
    with running(answers={verb: answer}) as server:
        assert error_of(sender_to(server), make_message()) == told


def test_refused_password_is_told_without_it(tls, make_message):
    with running(tls=tls.server, is_tls=True, answers={"AUTH": "535 s3cret is wrong"}) as server:
        sender = sender_to(server, security="tls", tls=tls.client, user_name="idp", password="s3cret")
        assert error_of(sender, make_message()) == "the mail server answered 535"
    assert server.mails == []


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "MAIL", "DATA", "end"])
def test_dripping_server_never_holds_the_page(make_message, verb):
    with running(delay={verb: 0.1}) as server:
        began = time.monotonic()
        assert error_of(sender_to(server, timeout=0.4), make_message()) == "there was no answer in time"
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_silent_handshake_never_holds_the_page(make_message, security, tls):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = SmtpSender(
            "127.0.0.1", FROM, port=listener.getsockname()[1], security=security, timeout=0.3, tls=tls.client
        )
        began = time.monotonic()
        error_of(sender, make_message())
        assert time.monotonic() - began < 5


def test_mail_that_was_called_off_is_not_delivered_later(make_message):
    with running(delay={"MAIL": 0.1}) as server:
        error_of(sender_to(server, timeout=0.3), make_message())
        time.sleep(0.5)
        server.delay.clear()
        time.sleep(0.2)
        assert server.mails == []


def test_slow_farewell_does_not_turn_success_into_failure(make_message):
    with running(delay={"QUIT": 1}) as server:
        sender_to(server, timeout=0.5).send(make_message())
    assert len(server.mails) == 1


def test_closed_port_is_an_error(make_message):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    told = error_of(SmtpSender("127.0.0.1", FROM, port=port, security="none"), make_message())
    assert told == "sending failed: ConnectionRefusedError"


@pytest.fixture(scope="module")
def nowhere():
    """A sender whose server must not be asked."""
    return SmtpSender("127.0.0.1", FROM, port=9, security="none")


@pytest.mark.parametrize(
    "line_break", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00", "\ud800"]
)
@pytest.mark.parametrize("field", ["to", "subject", "id"])
def test_line_break_or_worse_in_a_header_is_refused_before_anything_is_sent(
    nowhere, make_message, field, line_break
):
    for text in ("a@b.example{}Bcc: eve@evil.example", "a@b.example{}", "{}a@b.example"):
        told = error_of(nowhere, make_message(**{field: text.format(line_break)}))
        assert told == "a header of the mail contains a control character"


@pytest.mark.parametrize(
    "to",
    [
        "",
        "alice",
        "@example.org",
        "alice@",
        "alice@example.org, eve@evil.example",
        "alice@example.org eve@evil.example",
        "<alice@example.org>",
        "alice@example.org>",
        "Alice <alice@example.org>",
        "alice@example.org;eve@evil.example",
        "a" * 250 + "@example.org",
        "alice@example.org\ud800",
        "(",
        '""@example.org',
    ],
)
def test_anything_but_one_address_is_refused(nowhere, make_message, to):
    with pytest.raises(SendError, match="address cannot be used|control character"):
        nowhere.send(make_message(to=to))


def test_text_message_is_not_sent_as_mail(nowhere, make_message):
    assert "text message" in error_of(nowhere, make_message(channel="sms", to="alice@example.org"))


def test_body_that_cannot_be_encoded_is_refused(nowhere, make_message):
    assert "cannot be written" in error_of(nowhere, make_message(body="\ud800"))


@given(to=st.text(max_size=30), subject=st.text(max_size=30))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_written_adds_no_header_and_no_recipient(nowhere, to, subject):
    delivered = []
    nowhere._deliver = lambda mail, to, attempt: delivered.append((mail, to))
    try:
        nowhere.send(Message("mail", to + "@example.org", subject, "body", "test"))
    except SendError:
        return
    finally:
        del nowhere._deliver
    ((mail, address),) = delivered
    sent = message_from_bytes(mail.as_bytes(), policy=policy.default)
    assert [header.lower() for header in sent] == [
        "from", "to", "subject", "message-id", "date", "auto-submitted",
        "content-type", "content-transfer-encoding", "mime-version",
    ]  # fmt: skip
    assert address.domain == "example.org"
    assert len(sent["To"].addresses) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"security": "none", "user_name": "idp", "password": "s3cret"},
        {"security": "ssl"},
        {"sender": "nobody"},
        {"sender": "a@b.example\r\nBcc: eve@evil.example"},
        {"sender": ""},
    ],
)
def test_unsafe_settings_are_refused_at_start(settings):
    with pytest.raises(ConfigurationError) as error:
        SmtpSender(**{"host": "127.0.0.1", "sender": FROM, **settings})
    assert "s3cret" not in str(error.value)
