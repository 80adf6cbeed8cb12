"""The shape of an interaction: one page between a user and the token. It records facts and never decides."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from flask import request, url_for

from idprotect.browser import Visitor
from idprotect.conditional_access import Step
from idprotect.forms import PageForm
from idprotect.gate import Verdict
from idprotect.models import SignIn, User
from idprotect.pendings import Pending
from idprotect.session_cookie import Current


@dataclass(frozen=True, slots=True)
class Page:
    """What to render: a template and its variables."""

    template: str
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of a page: who waits for what, what was decided, and what is submitted."""

    current: Current
    verdict: Verdict
    pending: Pending
    visitor: Visitor
    step: Step

    @property
    def user(self) -> User:
        """Who is signing in."""
        return self.current.user

    @property
    def sign_in(self) -> SignIn:
        """The sign-in that waits."""
        return self.current.sign_in

    @property
    def submitted(self) -> bool:
        """Whether a form was sent."""
        return request.method == "POST"

    def argument(self, name: str) -> str:
        """Return an argument of the URL."""
        return request.args.get(name, "")

    def url(self, **arguments: Any) -> str:
        """Return the URL of this page with other arguments."""
        return url_for("idprotect.interaction", pending_id=self.pending.id, step=str(self.step), **arguments)

    def resume_url(self) -> str:
        """Return where it is decided how to go on."""
        return url_for("idprotect.resume", pending_id=self.pending.id)


class Interaction(Protocol):
    """One page.

    ``show`` returns what to render. ``submit`` records a fact, or raises InteractionError, whose text the page then
    shows. It may return a page to show once (new recovery codes) or a URL of its own to go on at; otherwise the
    browser goes back to be decided about.
    """

    step: Step

    def form(self, visit: Visit) -> PageForm:
        """Return the form of the page in the state it is in."""

    def show(self, visit: Visit, form: PageForm) -> Page:
        """Return the page with its form."""

    def submit(self, visit: Visit, form: Any) -> Page | str | None:
        """Record the fact that the form proves."""
