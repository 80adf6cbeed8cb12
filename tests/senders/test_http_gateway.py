import json
import socket
import threading
import time
import traceback
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from idprotect.errors import ConfigurationError
from idprotect.senders import SendError, http_gateway
from idprotect.senders.http_gateway import HttpGateway

TOKEN = "t0k3n-of-the-operator"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append(SimpleNamespace(path=self.path, headers=self.headers, body=body))
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(b"a body that nobody reads" * 10_000)

    do_GET = do_POST

    def log_message(self, *args):
        pass


@contextmanager
def running(tls=None):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *args: None
    server.status, server.requests = 202, []
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server():
    with running() as server:
        yield server


@contextmanager
def raw_server(answer):
    """A peer that does whatever `answer(connection)` says, to every connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve():
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), connection:
                    answer(connection, ended)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        assert not thread.is_alive()


def url_of(server, path="/messages?account=7", scheme="http"):
    return f"{scheme}://127.0.0.1:{server.server_port}{path}"


def error_of(gateway, message):
    with pytest.raises(SendError) as error:
        gateway.send(message)
    told = "".join(traceback.format_exception(error.value))
    for secret in (TOKEN, message.body, message.to):
        assert secret not in told
    return str(error.value)


def test_message_is_posted_as_json_with_token_and_idempotency_key(server, make_message):
    message = make_message(channel="sms", to="+41791234567", subject=None, body="Ihr Code für später: 1")
    HttpGateway(url_of(server), TOKEN).send(message)
    (request,) = server.requests
    assert request.path == "/messages?account=7"
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Idempotency-Key"] == message.id
    assert json.loads(request.body) == {
        "id": message.id, "channel": "sms", "to": "+41791234567", "subject": None,
        "body": "Ihr Code für später: 1", "purpose": "sign_in_code",
    }  # fmt: skip


def test_same_message_sent_again_has_the_same_idempotency_key(server, make_message):
    gateway, message = HttpGateway(url_of(server), TOKEN), make_message()
    gateway.send(message)
    gateway.send(message)
    first, second = server.requests
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_kind_of_yes_means_taken(server, make_message, status):
    server.status = status
    HttpGateway(url_of(server), TOKEN).send(make_message())


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_refusal_is_an_error_that_names_the_status_only(server, make_message, status):
    server.status = status
    assert error_of(HttpGateway(url_of(server), TOKEN), make_message()) == f"the gateway answered {status}"


@pytest.mark.parametrize("status", [300, 301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server, make_message, status):
    server.status = status
    assert error_of(HttpGateway(url_of(server), TOKEN), make_message()) == f"the gateway answered {status}"
    assert len(server.requests) == 1


def test_proxy_of_the_environment_never_sees_the_code(server, make_message, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    HttpGateway(url_of(server), TOKEN).send(make_message())
    assert len(server.requests) == 1


def test_gateway_over_tls_is_verified(tls, make_message):
    with running(tls.server) as server:
        HttpGateway(url_of(server, scheme="https"), TOKEN, tls=tls.client).send(make_message())
        assert len(server.requests) == 1
        stranger = HttpGateway(url_of(server, scheme="https"), TOKEN)
        assert error_of(stranger, make_message()) == "sending failed: SSLCertVerificationError"
        assert len(server.requests) == 1


def drip(connection, ended):
    """Answer one byte at a time, each well within the timeout of a socket."""
    connection.recv(65536)
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Slow: " + b"x" * 10_000:
        if ended.wait(0.05):
            return
        connection.send(bytes([byte]))


def headers_without_end(connection, ended):
    connection.recv(65536)
    connection.send(b"HTTP/1.1 200 OK\r\n")
    while not ended.wait(0.05):
        connection.send(b"X-More: 1\r\n")


def continue_without_end(connection, ended):
    connection.recv(65536)
    while not ended.wait(0.05):
        connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def silence(connection, ended):
    ended.wait(10)


@pytest.mark.parametrize("answer", [drip, headers_without_end, continue_without_end, silence])
def test_slow_gateway_never_holds_the_page(answer, make_message):
    with raw_server(answer) as url:
        began = time.monotonic()
        told = error_of(HttpGateway(url, TOKEN, timeout=0.4), make_message())
        assert time.monotonic() - began < 5
    assert told in ("there was no answer in time", "sending failed: TimeoutError")


def test_by_default_the_page_waits_less_than_two_seconds(make_message):
    with raw_server(drip) as url:
        began = time.monotonic()
        error_of(HttpGateway(url, TOKEN), make_message())
        assert 1 < time.monotonic() - began < 6


def test_slow_name_server_never_holds_the_page(make_message, monkeypatch):
    free = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: free.wait(10) and [])
    began = time.monotonic()
    error_of(HttpGateway("https://gateway.example/", TOKEN, timeout=0.2), make_message())
    assert time.monotonic() - began < 5
    free.set()


def test_thread_of_a_dripping_gateway_goes_away(make_message):
    with raw_server(drip) as url:
        error_of(HttpGateway(url, TOKEN, timeout=0.2), make_message())
        deadline = time.monotonic() + 1
        while any(t.name == "sender" for t in threading.enumerate()) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not any(thread.name == "sender" for thread in threading.enumerate())


@pytest.mark.parametrize(
    "content", [b"", b"rubbish\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 70_000]
)
def test_rubbish_is_an_error(content, make_message):
    def answer(connection, ended):
        connection.recv(65536)
        connection.send(content)

    with raw_server(answer) as url:
        assert error_of(HttpGateway(url, TOKEN), make_message()).startswith("sending failed: ")


def test_closed_port_is_an_error(make_message):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    told = error_of(HttpGateway(f"http://127.0.0.1:{port}/", TOKEN), make_message())
    assert told == "sending failed: ConnectionRefusedError"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "gateway",
        "ftp://gateway.example/",
        "https://",
        "https://u:p4ss@gateway.example/",
        "https://gateway.example:x/",
        "http://gateway.example/",
        "http://10.0.0.1/",
        "http://127.0.0.1.example.org/",
        "https://[::1",
    ],
)
def test_unsafe_url_is_refused_at_start(url):
    with pytest.raises(ConfigurationError) as error:
        HttpGateway(url, TOKEN)
    assert "p4ss" not in str(error.value)


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX-Evil: 1", "tökén", "a\x00"])
def test_token_that_would_break_the_header_is_refused_at_start_and_not_repeated(token):
    with pytest.raises(ConfigurationError) as error:
        HttpGateway("https://gateway.example/", token)
    assert not token or token not in str(error.value)


def test_plain_http_is_for_this_machine_or_on_demand():
    for url in ("http://localhost:1/", "http://127.0.0.2/", "http://[::1]:8080/"):
        HttpGateway(url, TOKEN)
    HttpGateway("http://gateway.internal/", TOKEN, allow_http=True)


def test_plain_http_on_demand_is_no_other_scheme():
    with pytest.raises(ConfigurationError):
        HttpGateway("ftp://gateway.internal/", TOKEN, allow_http=True)


@pytest.mark.parametrize(("end", "path"), [("", "/"), ("?account=7", "/?account=7")])
def test_url_without_path_is_posted_to_the_root(server, make_message, end, path):
    HttpGateway(url_of(server, path=end), TOKEN).send(make_message())
    assert server.requests[0].path == path


def test_token_stays_out_of_logs():
    gateway = HttpGateway("https://gateway.example/", TOKEN)
    assert TOKEN not in repr(gateway)
    assert http_gateway.PATIENCE < 2
