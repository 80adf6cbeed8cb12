"""Fixtures of the console's tests: a server without a network, and somebody of each role at its door."""

from collections.abc import Callable

import pytest

from idprotect.roles import Role
from tests.security.conftest import make_a_place, place, pristine  # noqa: F401 (fixtures)
from tests.security.place import Place, Visitor

Enter = Callable[..., Visitor]


@pytest.fixture
def enter(place: Place) -> Enter:  # noqa: F811
    """Return a function by which somebody of a role, or by name, comes in; each is made when first named."""
    made: set[str] = set()

    def come_in(role: str = "administrator", username: str = "") -> Visitor:
        username = username or f"the-{role.replace('_', '-')}"
        if username not in made:
            made.add(username)
            roles = (role,) if role in list(Role) else ()
            place.make_user(username, authenticators=("totp",), roles=roles, name=f"The {role}")
        visitor = place.browser().get("/admin/").sign_in(username)
        if visitor.step == "mfa":
            visitor.submit({"code": place.totp(username)})
        return visitor

    return come_in
