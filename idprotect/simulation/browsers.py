"""A simulated browser: cookies, an address, a User-Agent, and the pages of the server, which it asks in process.

It knows of the server what any browser knows: URLs, forms, redirects. Its requests pass through the whole WSGI
application, each in a context of its own that shows the simulated time.
"""

from collections.abc import Callable, Mapping
from contextvars import Context
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, TypeVar
from urllib.parse import parse_qs, urljoin, urlsplit

from flask import Flask
from werkzeug.test import Client, TestResponse

T = TypeVar("T")

#: More pages than any sign-in has; whoever is still not there is going in circles.
MOST_PAGES = 20


@dataclass(frozen=True, slots=True)
class Machine:
    """What a browser says of itself and of what it runs on.

    :param platform_version, model: client hints; None: it sends none.
    """

    name: str
    user_agent: str
    platform_version: str | None = None
    model: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What it sends with each request."""
        sent = {"User-Agent": self.user_agent, "Accept": "text/html"}
        if self.platform_version is not None:
            sent["Sec-CH-UA-Platform-Version"] = f'"{self.platform_version}"'
        if self.model is not None:
            sent["Sec-CH-UA-Model"] = f'"{self.model}"'
        return sent


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a page: where it goes, and what it has in it."""

    action: str
    hidden: Mapping[str, str]
    names: frozenset[str]


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of the server, after all redirects that stay there.

    :param left_for: the address outside the server that the browser was sent to.
    """

    path: str
    status: int
    text: str = ""
    left_for: str | None = None

    @property
    def is_fine(self) -> bool:
        """Whether the server took what it was sent."""
        return self.status < 400

    @property
    def step(self) -> str:
        """Which page of an interruption it is; empty for any other."""
        parts = self.path.split("/")
        return parts[-1] if "interaction" in parts else ""

    @property
    def answer(self) -> dict[str, str]:
        """What an application is told by the address that the browser is sent to."""
        query = parse_qs(urlsplit(self.left_for or "").query)
        return {name: values[0] for name, values in query.items()}

    def form(self, name: str = "", action: str = "") -> Form | None:
        """Return the first form that has a field, and an action that ends so."""
        reader = _Forms()
        reader.feed(self.text)
        found = (f for f in reader.forms() if (not name or name in f.names) and f.action.endswith(action))
        return next(found, None)


@dataclass
class Browser:
    """One browser.

    :param run: runs a function in a fresh context, in the simulated world and at the simulated time.
    """

    app: Flask
    origin: str
    machine: Machine
    address: str
    run: Callable[[Callable[[], Any]], Any]
    client: Client = field(init=False)

    def __post_init__(self) -> None:
        self.client = Client(self.app)

    def get(self, url: str) -> Page:
        """Go to a URL of the server."""
        return self._follow(url, "GET", {})

    def post(self, url: str, fields: Mapping[str, str]) -> Page:
        """Send a form."""
        return self._follow(url, "POST", fields)

    def submit(self, page: Page, form: Form, fields: Mapping[str, str]) -> Page:
        """Fill a form of a page and send it."""
        return self.post(urljoin(page.path, form.action), {**form.hidden, **fields})

    def take_cookie(self, other: "Browser", name: str) -> None:
        """Copy a cookie out of another browser, as malware there does."""
        host = urlsplit(self.origin).hostname or ""
        for full_name in (name, f"__Host-{name}"):
            cookie = other.client.get_cookie(full_name, host)
            if cookie is not None:
                self.client.set_cookie(full_name, cookie.value, domain=host)

    def _follow(self, url: str, method: str, fields: Mapping[str, str]) -> Page:
        for _ in range(MOST_PAGES):
            answer = self._ask(url, method, fields)
            location = answer.headers.get("Location")
            if location is None:
                return Page(urlsplit(url).path, answer.status_code, answer.get_data(as_text=True))
            url, method, fields = urljoin(self.origin + url, location), "GET", {}
            if not url.startswith(self.origin + "/"):
                return Page(urlsplit(url).path, answer.status_code, left_for=url)
            url = url.removeprefix(self.origin)
        raise RuntimeError(f"redirected in circles at {url}")

    def _ask(self, url: str, method: str, fields: Mapping[str, str]) -> TestResponse:
        def ask() -> TestResponse:
            return self.client.open(
                url,
                method=method,
                base_url=self.origin,
                data=dict(fields) or None,
                headers={**self.machine.headers, **({"Origin": self.origin} if method == "POST" else {})},
                environ_overrides={"REMOTE_ADDR": self.address},
            )

        answer: TestResponse = self.run(ask)
        return answer


def in_fresh_context(function: Callable[[], T]) -> T:
    """Run a function where nothing of this context is seen: no request, no database session, no time but the real."""
    return Context().run(function)


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self._found: list[tuple[str, dict[str, str], set[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._found.append((values.get("action", ""), {}, set()))
        elif tag == "input" and self._found and values.get("name"):
            _, hidden, names = self._found[-1]
            names.add(values["name"])
            if values.get("type") == "hidden":
                hidden[values["name"]] = values.get("value", "")

    def forms(self) -> list[Form]:
        """Return what was found so far."""
        return [Form(action, hidden, frozenset(names)) for action, hidden, names in self._found]
