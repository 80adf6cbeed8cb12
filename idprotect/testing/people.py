"""A person of a test: a user of the provider, and the browser in front of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from idprotect import clock, protection, sessions, users
from idprotect.models import Authenticator, User, session
from idprotect.risk import About, RiskLevel
from idprotect.risk.detections.reports import external_finding
from idprotect.simulation.browsers import MOST_PAGES, Browser, Page
from idprotect.simulation.journeys import next_page

if TYPE_CHECKING:
    from idprotect.testing.provider import Provider

BY = "test"


class Stopped(Exception):
    """The person cannot go on: ``step`` is the page at which they are, ``block`` for instance."""

    def __init__(self, page: Page) -> None:
        super().__init__(f"stopped at {page.path} ({page.status}): {page.step or 'no step'}")
        self.step = page.step
        self.page = page


@dataclass
class Person:
    """Somebody who signs in.

    :ivar id: the ``sub`` of tokens.
    :ivar seed: what the authenticator app makes its codes from; empty without a second factor.
    """

    provider: "Provider" = field(repr=False)
    id: str
    username: str
    password: str
    seed: str
    browser: Browser = field(repr=False)

    def go(self, url: str) -> str:
        """Play the browser: go to the provider, do all that is asked, and return the address that it is sent to.

        :raises Stopped: at a page where nothing can be done.
        """
        page = self.browser.get(url.removeprefix(self.provider.issuer))
        for _ in range(MOST_PAGES):
            if page.left_for is not None:
                return page.left_for
            following = self._next(page)
            if following is None:
                raise Stopped(page)
            page = following
        raise Stopped(page)

    def change_browser(self) -> None:
        """Go on at another browser of the same make, which holds no cookie."""
        self.browser = self.provider.browser()

    def set_risk(self, level: str) -> None:
        """Let the person be at this user risk from now on: ``none``, ``low``, ``medium`` or ``high``."""
        wanted = RiskLevel.parse(level)
        self.act(protection.dismiss, BY, "the test wants another level")
        if wanted:
            finding = external_finding(wanted, About.USER, BY, "The test wants it so", ())
            self.act(protection.raise_detection, finding)

    def end_sessions(self) -> None:
        """Let an administrator end all sessions; applications are told."""
        self.act(lambda user: sessions.end_all(user.id, "revoked", actor=BY))

    def lock_down(self) -> None:
        """Let an administrator confirm the compromise and disable the user; applications are told."""
        self.act(users.lock_down, BY, "the test wants it")

    def act(self, verb: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Let somebody act on the user by a verb of the server, ``protection.confirm_compromised`` for instance."""
        with self.provider.arranging():
            return verb(session().get_one(User, self.id), *arguments, **options)

    def _next(self, page: Page) -> Page | None:
        if (form := page.form(action="/consent")) is not None:
            return self.browser.submit(page, form, {"answer": "allow"})
        if self.seed and page.step == "mfa":
            self._forget_used_code()
        with self.provider.at_its_time():
            return next_page(self.browser, page, self, clock.now(), has_phone=bool(self.seed))

    def _forget_used_code(self) -> None:
        # A code counts once in thirty seconds; a test does not wait for the next one.
        with self.provider.arranging():
            session().execute(
                update(Authenticator).where(Authenticator.user_id == self.id).values(last_step=None)
            )
