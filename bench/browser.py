"""A browser as far as a sign-in needs one: cookies, redirects on one origin, and forms."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from urllib.parse import urlencode, urljoin

from .http_client import HttpConnection, Response

MAX_REDIRECTS = 15
USER_AGENT = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
)
USERNAME_FIELDS = {"username", "email", "login"}
FORM = re.compile(r"<form\b([^>]*)>(.*?)</form>", re.IGNORECASE | re.DOTALL)
INPUT = re.compile(r"<(?:input|button)\b([^>]*)>", re.IGNORECASE)
ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")


class PageError(Exception):
    """A page was not what the journey expected; the message says which."""


@dataclass
class Form:
    """One HTML form: where it posts to, what it carries along, and which fields wait for an answer."""

    action: str
    fields: dict[str, str]
    username_field: str | None = None
    password_field: str | None = None


@dataclass
class Browser:
    """One person's browser on one server; ``leaves_to`` is the address at which following redirects ends."""

    connection: HttpConnection
    leaves_to: str
    cookies: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        return f"http://{self.connection.host}:{self.connection.port}"

    def open(self, path: str) -> tuple[str, Response]:
        """GET a page; returns where the redirects ended and the last answer."""
        return self._follow(path, self._send("GET", path))

    def submit(self, page: str, form: Form, answers: dict[str, str]) -> tuple[str, Response]:
        """POST a form of the page at that path, then follow as ``open`` does."""
        path = self._path(urljoin(self.origin + page, form.action or page))
        body = urlencode({**form.fields, **answers}).encode()
        headers = (
            f"Origin: {self.origin}\r\nReferer: {self.origin}{page}\r\n"
            "Content-Type: application/x-www-form-urlencoded\r\n"
        )
        return self._follow(path, self._send("POST", path, headers, body))

    def close(self) -> None:
        self.connection.close()

    def _send(self, method: str, path: str, headers: str = "", body: bytes = b"") -> Response:
        cookie = "; ".join(
            f"{name}={value}" for (scope, name), value in self.cookies.items() if path.startswith(scope)
        )
        headers += f"Cookie: {cookie}\r\n" if cookie else ""
        response = self.connection.request(method, path, BROWSER_HEADERS + headers, body)
        for line in response.all_headers("set-cookie"):
            self._keep_cookie(line)
        return response

    def _follow(self, path: str, response: Response) -> tuple[str, Response]:
        for _ in range(MAX_REDIRECTS):
            if response.status not in (301, 302, 303):
                return path, response
            location = urljoin(self.origin + path, response.header("location") or "")
            if location.startswith(self.leaves_to):
                return location, response
            path = self._path(location)
            response = self._send("GET", path)
        raise PageError(f"more than {MAX_REDIRECTS} redirects, the last to {path}")

    def _path(self, url: str) -> str:
        if not url.startswith(self.origin + "/"):
            raise PageError(f"sent to another origin: {url[:200]}")
        return url[len(self.origin) :].partition("#")[0]

    def _keep_cookie(self, line: str) -> None:
        pair, *attributes = (part.strip() for part in line.split(";"))
        name, _, value = pair.partition("=")
        described = {key.lower(): text for key, _, text in (part.partition("=") for part in attributes)}
        key = described.get("path") or "/", name
        if described.get("max-age") == "0" or "1970" in described.get("expires", ""):
            self.cookies.pop(key, None)
        else:
            self.cookies[key] = value


BROWSER_HEADERS = (
    f"User-Agent: {USER_AGENT}\r\n"
    "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n"
)


def credential_form(page: str) -> Form | None:
    """The first form that asks for a password or a user name."""
    return next((form for form in forms(page) if form.password_field or form.username_field), None)


def forms(page: str) -> list[Form]:
    return [parse_form(match[1], match[2]) for match in FORM.finditer(page)]


def parse_form(tag: str, content: str) -> Form:
    form = Form(action=attributes_of(tag).get("action", ""), fields={})
    for match in INPUT.finditer(content):
        attributes = attributes_of(match[1])
        name, kind = attributes.get("name"), attributes.get("type", "text").lower()
        if not name:
            continue
        if kind == "hidden":
            form.fields[name] = attributes.get("value", "")
        elif kind == "password":
            form.password_field = form.password_field or name
        elif kind in ("text", "email") and is_username(attributes):
            form.username_field = form.username_field or name
    return form


def is_username(attributes: dict[str, str]) -> bool:
    return "username" in attributes.get("autocomplete", "") or attributes["name"] in USERNAME_FIELDS


def attributes_of(tag: str) -> dict[str, str]:
    return {
        name.lower(): html.unescape(double or single or bare)
        for name, double, single, bare in ATTRIBUTE.findall(tag)
    }


def summary_of(content: str) -> str:
    """A page's title, or how anything else begins: for error messages."""
    match = re.search(r"<title>(.*?)</title>", content, re.IGNORECASE | re.DOTALL)
    return " ".join((match[1] if match else content[:200]).split())
