"""Section 9: what stands on every answer, and what never stands in any."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from sqlalchemy.exc import OperationalError

from idprotect import session_cookie
from idprotect.web import ROUTES, SIGN_IN_ROUTES
from tests.security.place import Exchange, Place
from tests.security.tour import Tour
from tests.support import PROJECT

DOCUMENTS = "text/html"


def policy(exchange: Exchange) -> dict[str, list[str]]:
    """Return the content security policy, by directive."""
    header = exchange.response.headers["Content-Security-Policy"]
    return {words[0]: words[1:] for part in header.split(";") if (words := part.split())}


def test_the_tour_saw_every_route_and_every_kind_of_answer(tour: Tour) -> None:
    """What the tests below look at is everything: each endpoint, each status that we ever answer."""
    adapter = tour.place.app.url_map.bind("id.example")
    reached = set()
    for exchange in tour.exchanges:
        try:
            rule, _ = adapter.match(exchange.path.partition("?")[0], exchange.method, return_rule=True)
            reached.add(rule.endpoint.rpartition(".")[2])
        except Exception:
            reached.add(None)
    endpoints = {endpoint for _, endpoint, _, _ in (*ROUTES, *SIGN_IN_ROUTES)}
    not_seen = {"remove_method", "end_sign_in"}  # buttons that redirect like their neighbours
    assert endpoints - reached <= not_seen
    statuses = {exchange.response.status_code for exchange in tour.exchanges}
    assert {200, 303, 400, 401, 403, 404, 405, 413, 414, 429, 500} <= statuses


def test_every_answer_forbids_everything_that_it_does_not_need(tour: Tour) -> None:
    """Section 9, CSP with nonce, object-src, base-uri, frame-ancestors (A 3.4.x), on errors and redirects as well."""
    for exchange in tour.exchanges:
        rules = policy(exchange)
        for directive in ("default-src", "object-src", "base-uri", "frame-ancestors"):
            assert rules[directive] == ["'none'"], f"{exchange}: {directive}"
        sources = [source for name, values in rules.items() if name != "form-action" for source in values]
        for bad in ("'unsafe-inline'", "'unsafe-eval'", "*", "data:", "http:", "https:", "blob:"):
            assert bad not in sources, str(exchange)
        assert exchange.response.headers["X-Content-Type-Options"] == "nosniff", str(exchange)
        assert exchange.response.headers["Referrer-Policy"] in ("same-origin", "no-referrer"), str(exchange)
        assert exchange.response.headers["X-Frame-Options"] == "DENY", str(exchange)
        hsts = re.fullmatch(
            r"max-age=(\d+); includeSubDomains", exchange.response.headers["Strict-Transport-Security"]
        )
        assert hsts is not None, str(exchange)
        assert int(hsts.group(1)) >= 31536000


def test_every_document_stands_alone_and_says_its_charset(tour: Tour) -> None:
    """Section 9, COOP on documents, charset (A 4.1.1)."""
    for exchange in tour.exchanges:
        kind = exchange.response.headers.get("Content-Type", "")
        if kind.startswith(DOCUMENTS):
            assert exchange.response.headers["Cross-Origin-Opener-Policy"] == "same-origin", str(exchange)
        if kind.startswith("text/"):
            assert "charset=utf-8" in kind, f"{exchange} {kind}"
        if exchange.response.data:
            assert kind, str(exchange)


def test_every_page_has_a_nonce_of_its_own_and_nothing_inline_without_it(tour: Tour) -> None:
    """Section 9, CSP with nonce: fresh for each answer, and on every script and style of the page."""
    seen = set()
    for exchange in tour.exchanges:
        if exchange.response.mimetype != DOCUMENTS or not exchange.response.data:
            continue
        match = re.search(r"'nonce-([\w-]{20,})'", exchange.response.headers["Content-Security-Policy"])
        assert match is not None, str(exchange)
        assert match.group(1) not in seen, str(exchange)
        seen.add(match.group(1))
        if "<main" not in exchange.response.text:
            continue  # the body of a redirect
        for tag in re.findall(r"<(?:script|style)\b[^>]*>", exchange.response.text):
            assert f'nonce="{match.group(1)}"' in tag, f"{exchange} {tag}"
        assert not re.search(r"<[^>]+\s(?:on\w+|style)\s*=", exchange.response.text), str(exchange)
        assert "javascript:" not in exchange.response.text, str(exchange)
    assert len(seen) > 50


def test_nothing_is_kept_by_any_cache_but_what_is_public(tour: Tour) -> None:
    """Section 9, no-store on all authenticated, credential and token answers (A 14.3.2)."""
    public = {"/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"}
    for exchange in tour.exchanges:
        path = exchange.path.partition("?")[0]
        if path in public or path.startswith("/idprotect-static/"):
            assert not exchange.response.headers.getlist("Set-Cookie"), str(exchange)
            continue
        assert exchange.response.headers.getlist("Cache-Control") == ["no-store"], str(exchange)


class _Urls(HTMLParser):
    """Everything in a page that a browser would fetch, or send something to."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.followed: list[str] = []
        self.inputs: list[dict[str, str]] = []
        self.forms: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.loaded += [
            values[name] for name in ("src", "srcset", "poster", "data", "background") if name in values
        ]
        if tag == "link":
            self.loaded.append(values["href"])
        elif "href" in values:
            self.followed.append(values["href"])
        if tag == "form":
            self.forms.append(values)
            self.followed.append(values["action"])
        self.followed += [
            values[name] for name in ("formaction", "ping", "cite", "manifest") if name in values
        ]
        if tag == "input":
            self.inputs.append(values)


def pages(tour: Tour) -> list[tuple[Exchange, _Urls]]:
    """Return all pages with what is in them."""
    found = []
    for exchange in tour.exchanges:
        if exchange.response.mimetype == DOCUMENTS and "<main" in exchange.response.text:
            urls = _Urls()
            urls.feed(exchange.response.text)
            found.append((exchange, urls))
    return found


def test_no_page_loads_anything_from_elsewhere(tour: Tour) -> None:
    """Section 9, no third-party assets (A 3.6.1): every URL in every page is ours; only an app's own key leaves."""
    for exchange, urls in pages(tour):
        for url in urls.loaded:
            assert urljoin(tour.place.url, url).startswith(tour.place.url + "/idprotect-static/"), (
                f"{exchange} {url}"
            )
        for url in urls.followed:
            parts = urlsplit(urljoin(tour.place.url + exchange.path, url))
            if parts.scheme == "otpauth":
                continue  # the same key that is shown beside it, for the app on this very phone
            assert f"{parts.scheme}://{parts.netloc}" == tour.place.url, f"{exchange} {url}"


def test_styles_and_scripts_load_nothing_from_elsewhere_and_store_nothing() -> None:
    """Section 9: nothing sensitive in browser storage; style sheets and scripts that name no other site."""
    for path in (PROJECT / "idprotect" / "static").iterdir():
        text = path.read_text()
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), path
        assert not re.search(
            r"localStorage|sessionStorage|indexedDB|document\.cookie|@import|fetch\(|eval\(", text
        ), path


def test_forms_go_to_us_by_post_and_lead_elsewhere_only_where_an_application_waits(tour: Tour) -> None:
    """Section 9, CSP form-action: what is typed goes to us; then a redirect may lead to an application by https."""
    seen = set()
    for exchange, urls in pages(tour):
        allowed = policy(exchange)["form-action"]
        seen.update(allowed)
        assert allowed[0] == "'self'", str(exchange)
        waits = re.search(r"^/(sign-in|interaction)/", exchange.path) is not None
        assert set(allowed[1:]) <= ({"https:"} if waits else set()), str(exchange)
        for form in urls.forms:
            if exchange.path.startswith("/device"):
                continue  # the code stands in the link that devices show, too, and signs nobody in
            assert form["method"].lower() == "post", f"{exchange}: what is typed would stand in the URL"
            assert not urlsplit(form["action"]).netloc, str(exchange)
    assert seen == {"'self'", "https:"}


def test_password_fields_are_fields_for_passwords(tour: Tour) -> None:
    """Section 9, password fields: proper type and autocomplete, so that password managers help (A 6.2.6-7)."""
    wanted = {
        "password": ("password", "current-password"),
        "current": ("password", "current-password"),
        "new": ("password", "new-password"),
        "confirm": ("password", "new-password"),
        "username": ("text", "username"),
        "code": ("text", "one-time-code"),
        "phone": ("tel", "tel"),
        "user_code": ("text", "off"),
    }
    seen = set()
    for exchange, urls in pages(tour):
        recovery = "recovery_code" in exchange.path
        for field in urls.inputs:
            name = field.get("name", "")
            if name not in wanted:
                assert name in ("", "csrf_token"), f"{exchange} {field}"
                continue
            seen.add(name)
            expected = ("text", "off") if name == "code" and recovery else wanted[name]
            assert (field["type"], field["autocomplete"].split()[-1]) == expected, f"{exchange} {field}"
            assert "readonly" not in field
            if field["type"] == "password":
                assert not field.get("value"), str(exchange)
                assert int(field.get("maxlength", 1024)) >= 64
    assert seen == set(wanted)


def test_no_url_that_was_ever_used_holds_a_secret(tour: Tour) -> None:
    """Section 9, nothing sensitive in URLs (A 14.2.1): but for codes to the application, and links in mails."""
    urls = [exchange.path for exchange in tour.exchanges]
    urls += [value for exchange in tour.exchanges if (value := exchange.response.headers.get("Location"))]
    for name, values in tour.secrets.items():
        if name in ("code", "report link"):
            continue
        for value in values:
            assert not [url for url in urls if value in url], name


# Single answers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND"])
def test_unused_methods_are_refused_everywhere(place: Place, method: str) -> None:
    """Section 9, unused methods 405 (A 13.4.x)."""
    visitor = place.browser()
    for rule in place.app.url_map.iter_rules():
        if method in (rule.methods or ()):
            continue
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        answer = visitor.send(method, path).response
        if path.startswith("/api/") and answer.status_code == 404:
            continue  # it says so of whatever it does not have
        assert answer.status_code == 405, f"{method} {path}"
        assert {"GET", "POST", "PUT"} & set(answer.headers["Allow"].split(", "))
        assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/.git/config",
        "/.env",
        "/console",
        "/debug",
        "/metrics",
        "/idprotect-static/",
        "/idprotect-static/..%2f..%2fsetup.cfg",
        "/idprotect-static/%2e%2e/keys.py",
        "/instance/keys/pepper",
        "/outbox/",
        "/static/x",
        "/favicon.ico",
    ],
)
def test_nothing_else_is_served(place: Place, path: str) -> None:
    """Section 9, debug, listings, versions, VCS files absent; metrics not public (A 13.4.x)."""
    answer = place.browser().send("GET", path).response
    assert answer.status_code == 404
    assert "Content-Security-Policy" in answer.headers


def test_no_answer_tells_what_it_runs_on(tour: Tour) -> None:
    """Section 9, versions absent: neither in headers nor in error pages."""
    for exchange in tour.exchanges:
        text = exchange.response.text if "idprotect-static" not in exchange.path else ""
        assert "Server" not in exchange.response.headers
        assert "X-Powered-By" not in exchange.response.headers
        for word in (
            "Werkzeug",
            "Flask",
            "Authlib",
            "Traceback",
            "sqlalchemy",
            "site-packages",
            "ZeroDivisionError",
        ):
            assert word.lower() not in text.lower(), f"{exchange}: {word}"


def test_an_error_of_ours_has_a_reference_and_nothing_else(tour: Tour) -> None:
    """Section 11, generic errors with a reference id; the log has the rest under the same number (A 16.5.x)."""
    broken = [exchange for exchange in tour.exchanges if exchange.response.status_code == 500]
    assert len(broken) == 3
    for exchange in broken:
        reference = re.search(r"\b[2-9A-Z]{5}-[2-9A-Z]{5}\b", exchange.response.text)
        assert reference is not None, str(exchange)
        assert reference.group() in tour.log


def test_a_database_that_does_not_answer_is_a_page_that_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Section 12: 503 with Retry-After and all headers; making the error page asks the database nothing."""
    visitor = place.browser()
    visitor.cookies["__Host-idprotect-session"] = "x" * 43

    def gone(*_: object) -> None:
        raise OperationalError("SELECT 1", {}, Exception("gone"))

    monkeypatch.setattr(session_cookie, "_read", gone)
    for path in ("/account", "/sign-out", "/authorize/x"):
        visitor.get(path) if path != "/authorize/x" else visitor.get("/sign-out")
        assert visitor.status == 503
        assert visitor.page.headers["Retry-After"]
        assert "Content-Security-Policy" in visitor.page.headers
        assert visitor.page.headers["Cache-Control"] == "no-store"


def test_an_unknown_host_is_refused_without_a_page(place: Place) -> None:
    """Section 6, URLs never from Host: another name gets 400, with headers, and no link made of it."""
    for host in (
        "evil.example",
        "id.example.evil.example",
        "id.example:8443@evil.example",
        "",
        "id.example\t",
    ):
        answer = place.browser().send("GET", "/account", headers={"Host": host}).response
        assert answer.status_code == 400, host
        assert "evil" not in answer.text
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


def test_forwarding_headers_do_not_change_our_urls(place: Place) -> None:
    """Section 6, A 4.1.3: neither X-Forwarded-Host nor its relatives reach a link or a redirect."""
    headers = {
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Port": "81",
        "X-Original-URL": "/evil",
        "X-Rewrite-URL": "/evil",
        "Forwarded": "host=evil.example;proto=http",
    }
    for path in ("/account", "/sign-in", "/.well-known/openid-configuration", "/no-such-page"):
        answer = place.browser().send("GET", path, headers=headers).response
        assert "evil" not in answer.text
        assert "evil" not in answer.headers.get("Location", "")
        assert ":81" not in answer.text


@pytest.mark.parametrize(
    "path", ["/account", "/sign-in", "/sign-out", "/token", "/authorize", "/userinfo", "/introspect"]
)
def test_no_other_site_may_read_our_answers(place: Place, path: str) -> None:
    """Section 6, no CORS on interactive endpoints (A 3.4.2, B 2.6)."""
    for method in ("GET", "POST", "OPTIONS"):
        headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        answer = place.browser().send(method, path, headers=headers).response
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")], (
            f"{method} {path}"
        )


def test_nothing_is_visible_after_signing_out(place: Place) -> None:
    """Section 9, nothing visible after logout: every page asks again, and none may be shown from the history."""
    place.make_user(name="Ada Lovelace")
    visitor = place.signed_in()
    visitor.get("/sign-out").submit(action="/sign-out")
    assert "Ada" not in visitor.text
    for path in ("/account", "/account/password", "/account/methods", "/sign-out"):
        visitor.get(path)
        assert "Ada" not in visitor.text
        assert visitor.page.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/sign-out", "x" * 70_000, 413),
        ("/token", "x" * 70_000, 413),
        ("/introspect", "x" * 70_000, 413),
        ("/authorize", "x" * 70_000, 413),
    ],
)
def test_a_body_that_is_too_long_is_refused_before_any_work(
    place: Place, path: str, body: str, status: int
) -> None:
    """Section 9 and 14, body 64 KB: by its length alone, on pages and endpoints."""
    answer = place.browser().send(
        "POST", path, body, headers={"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert answer.response.status_code == status
    assert answer.response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "odd", [b"%", b"=&=&=", b"a=1&" * 5000, b"\x00\xff" * 100, b"csrf_token=%00&username[]=x"]
)
@pytest.mark.parametrize(
    "kind", ["application/x-www-form-urlencoded", "multipart/form-data", "application/json", ""]
)
def test_a_body_that_makes_no_sense_is_no_error_of_ours(place: Place, odd: bytes, kind: str) -> None:
    """Section 9, wrong types and broken bodies: 4xx on every route that takes one."""
    visitor = place.browser().start()
    for path in (
        visitor.path,
        "/sign-out",
        "/token",
        "/introspect",
        "/revoke",
        "/authorize",
        "/userinfo",
        "/report/x",
    ):
        answer = visitor.send("POST", path, odd, headers={"Content-Type": kind} if kind else None)
        assert 400 <= answer.response.status_code < 500, f"{answer} {kind}"
