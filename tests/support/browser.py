"""Headless Chromium for the tests: one browser per worker, fresh contexts for every test.

Every page is watched. `problems(page)` names the console errors, script errors, violations of the content
security policy and requests to anything but this machine; `assert_clean(page)` wants none.
"""

import os
import re
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    sync_playwright,
)

from . import PROJECT, unavailable

SCREENSHOTS = PROJECT / "test-artifacts" / "screenshots"
TIMEOUT_MILLISECONDS = 10_000
HEIGHTS = {"phone": 844, "desktop": 900}
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Nothing but this machine has a name: a page that phones home fails, and is noticed.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1",
)
REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", violation => console.error(
    `CSP violation: ${violation.effectiveDirective} ${violation.blockedURI || "inline"}`));
"""
ColorScheme = Literal["light", "dark"]


class NewPage(Protocol):
    """Opens a page; pages of the same `person` share cookies, as tabs do, and those of others do not."""

    def __call__(
        self,
        width: int = 1280,
        color_scheme: ColorScheme = "light",
        *,
        person: str = "visitor",
        javascript: bool = True,
    ) -> Page:
        """Return a new page `width` CSS pixels wide."""


class Watch:
    """What went wrong on one page."""

    def __init__(self, page: Page) -> None:
        self._seen: list[str] = []
        self._errors: list[tuple[str, str]] = []
        self._refused: set[str] = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._seen.append(f"script error: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)

    def problems(self) -> list[str]:
        """Return them in words; that a document itself answers 403 is none, for a test may want just that."""
        resource = "Failed to load resource"
        errors = [e for e in self._errors if not (e[0].startswith(resource) and e[1] in self._refused)]
        return self._seen + [f"console: {text} ({url})" for text, url in errors]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._errors.append((message.text, message.location.get("url", "").partition("#")[0]))

    def _request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme in {"http", "https", "ws", "wss"} and not _is_local(url.hostname or ""):
            self._seen.append(f"request to another machine: {request.url}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and response.request.is_navigation_request():
            self._refused.add(response.url.partition("#")[0])


class Pages:
    """The pages of one test; a context per person."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._contexts: dict[tuple[str, bool], BrowserContext] = {}

    def new_page(
        self,
        width: int = 1280,
        color_scheme: ColorScheme = "light",
        *,
        person: str = "visitor",
        javascript: bool = True,
    ) -> Page:
        """Return a new page, as `NewPage` tells."""
        page = self._context(person, javascript).new_page()
        page.set_viewport_size({"width": width, "height": HEIGHTS["phone" if width < 700 else "desktop"]})
        page.emulate_media(color_scheme=color_scheme, reduced_motion="reduce")
        return page

    def close(self) -> None:
        """Forget everybody."""
        for context in self._contexts.values():
            context.close()

    def _context(self, person: str, javascript: bool) -> BrowserContext:
        key = (person, javascript)
        if key not in self._contexts:
            new_context = partial(self._browser.new_context, locale="en-GB", timezone_id="UTC")
            context = new_context(java_script_enabled=javascript)
            context.set_default_timeout(TIMEOUT_MILLISECONDS)
            context.add_init_script(REPORT_VIOLATIONS)
            context.on("page", _watch)
            self._contexts[key] = context
        return self._contexts[key]


_watches: WeakKeyDictionary[Page, Watch] = WeakKeyDictionary()


def _watch(page: Page) -> None:
    _watches[page] = Watch(page)


def problems(page: Page) -> list[str]:
    """Return what the browser complained about on this page since it was opened."""
    return _watches[page].problems()


def assert_clean(page: Page) -> None:
    """Fail if the browser complained about anything."""
    assert problems(page) == []


def screenshot(page: Page, name: str) -> Path:
    """Write the whole page to `test-artifacts/screenshots/<name>.png`."""
    path = SCREENSHOTS / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, full_page=True, animations="disabled")
    return path


def find_chromium() -> str | None:
    """Return the browser's program: `IDPROTECT_TEST_CHROMIUM`, or one on the path, or in `/usr/bin`."""
    named = os.environ.get("IDPROTECT_TEST_CHROMIUM")
    programs = (shutil.which(name) or shutil.which(name, path="/usr/bin") for name in NAMES)
    return named or next(filter(None, programs), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The worker's browser; Playwright's own where the system has none."""
    with sync_playwright() as playwright:
        program = find_chromium() or playwright.chromium.executable_path
        if not Path(program).is_file():
            unavailable("no Chromium: install it, or name it in IDPROTECT_TEST_CHROMIUM")
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium: Browser) -> Iterator[NewPage]:
    """A function that opens pages; what they remember ends with the test."""
    pages = Pages(chromium)
    yield pages.new_page
    pages.close()


def _is_local(host: str) -> bool:
    return host in {"127.0.0.1", "::1", "localhost"} or host.endswith(".localhost")
