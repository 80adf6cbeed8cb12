"""Who comes into the console, and what stands in between."""

import re
from collections.abc import Iterator

import pytest
from werkzeug.routing import Rule

from idprotect import protection, roles, users
from idprotect.models import AuditEvent
from idprotect.roles import Role
from tests.admin.conftest import Enter
from tests.security.place import SESSION, Place, Visitor
from tests.support.world import USER_RISK_BLOCK

PREFIX = "idprotect_admin"


def rules(place: Place) -> Iterator[Rule]:
    """Return every route of the console, as the server has them."""
    return (rule for rule in place.app.url_map.iter_rules() if rule.endpoint.startswith(PREFIX))


def page_of(rule: Rule) -> str:
    """Return the name of a route in the matrix."""
    view, function = rule.endpoint.split(".")
    return f"{view.removeprefix(PREFIX).lstrip('_') or 'overview'}.{function}"


def path_of(rule: Rule) -> str:
    """Return an address of a route."""
    return re.sub(r"<int:[^>]+>", "1", re.sub(r"<(?:path:)?\w+>", "x", rule.rule))


def without_nonce(visitor: Visitor) -> str:
    """Return a page without what is new in every answer."""
    return re.sub(r"nonce=\"[^\"]+\"", "", visitor.page.text)


def test_the_matrix_names_every_route_and_nothing_else(place: Place) -> None:
    """Section 10, closed by default: a route that nobody thought of is nobody's."""
    assert {page_of(rule) for rule in rules(place)} == set(roles.PAGES)
    assert not roles.allows([str(role) for role in Role], "overview.unthought_of")
    assert not roles.allows(["Administrator", "admin", ""], "overview.index")


@pytest.mark.parametrize("role", list(Role))
def test_each_role_gets_what_the_matrix_says_and_no_more(place: Place, enter: Enter, role: Role) -> None:
    """F102, C097, section 10: the matrix over the whole URL map; 403 exactly where it says so."""
    visitor = enter(role)
    assert visitor.status == 200, visitor.text
    for rule in rules(place):
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        answer = visitor.send(method, path_of(rule)).response
        allowed = role in roles.PAGES[page_of(rule)]
        assert (answer.status_code != 403) == allowed, f"{role} {rule}: {answer.status_code}"
        assert answer.status_code < 500


def test_to_strangers_every_address_is_the_same(place: Place) -> None:
    """404 and 403 say nothing: whether a page exists, one is sent to sign in, and nothing else."""
    visitor = place.browser()
    for path in [path_of(rule) for rule in rules(place)] + ["/admin/no-such-page", "/admin/users/x/y"]:
        answer = visitor.send("GET", path).response
        assert answer.status_code == 303, path
        assert answer.headers["Location"].startswith("/sign-in/"), path


def test_somebody_without_a_role_finds_nothing_there(place: Place, enter: Enter) -> None:
    """Section 10: the console is as absent as any page that does not exist."""
    visitor = enter("nobody")
    assert visitor.status == 404
    nowhere = without_nonce(visitor.get("/no-such-page"))
    for rule in rules(place):
        assert without_nonce(visitor.get(path_of(rule))) == nowhere, rule


def test_whoever_may_be_there_is_told_within_the_console_what_is_not(enter: Enter) -> None:
    """Where to go on from: the application that one came from is not the way back here."""
    visitor = enter("help_desk")
    for path in ("/admin/no-such-page", "/admin/users/nobody"):
        visitor.get(path)
        assert visitor.status == 404
        assert "Go to the overview" in visitor.text
        assert "/admin/users/" in visitor.links()


def test_an_administrator_without_a_factor_registers_one_first(place: Place) -> None:
    """Section 10: always a second factor, also when no policy asks for one."""
    place.make_user("eve", roles=("administrator",))
    visitor = place.browser().get("/admin/").sign_in("eve")
    assert visitor.step == "mfa_registration"
    assert "skip" not in visitor.page.text
    assert visitor.get("/admin/").step == "mfa_registration"


def test_an_emergency_does_not_open_the_console(place: Place) -> None:
    """Every policy becomes report-only; the console's own demand is none of them."""
    place.make_user("eve", authenticators=("totp",), roles=("administrator",))
    assert place.cli("policy", "emergency", "on", "--reason", "test").exit_code == 0
    assert place.browser().get("/admin/").sign_in("eve").step == "mfa"


def test_a_compromised_administrator_does_not_register_a_factor_on_the_way_in(place: Place) -> None:
    """I7: whoever has the password alone may be the attacker."""
    place.make_user("eve", roles=("administrator",))
    place.act(protection.confirm_compromised, "eve", "test")
    assert place.browser().get("/admin/").sign_in("eve").step == "block"


def test_a_password_alone_opens_nothing(place: Place) -> None:
    """I6: before the factor, the console is as closed as to anybody."""
    place.make_user("eve", authenticators=("totp",), roles=("administrator",))
    visitor = place.browser().get("/admin/").sign_in("eve")
    assert visitor.step == "mfa"
    for rule in rules(place):
        answer = visitor.send("GET", path_of(rule)).response
        assert answer.status_code == 303
        assert "/interaction/" in answer.headers["Location"] or "/sign-in/" in answer.headers["Location"]


def test_the_console_is_left_after_a_quarter_of_an_hour_without_use(place: Place, enter: Enter) -> None:
    """Section 3, administrators stricter: 15 minutes idle, though the account page would still be open."""
    visitor = enter()
    for _ in range(3):
        place.clock.move(minutes=14)
        assert visitor.get("/admin/").status == 200
        assert visitor.step == "admin"
    place.clock.move(minutes=16)
    assert visitor.get("/admin/").step == "sign_in"
    assert visitor.get("/account").step == "account"


def test_the_console_is_left_after_half_a_day_in_any_case(place: Place, enter: Enter) -> None:
    """Section 3: 12 hours absolute."""
    visitor = enter()
    for _ in range(71):
        place.clock.move(minutes=10)
        visitor.send("GET", "/admin/")
    assert visitor.get("/admin/").step == "admin"
    place.clock.move(minutes=12)
    assert visitor.get("/admin/").step == "sign_in"


def test_a_role_that_is_taken_away_is_gone_at_the_next_request(place: Place, enter: Enter) -> None:
    """I2, section 7: state changes act on the next request."""
    visitor, other = enter(), enter("administrator", "other")
    assert other.status == 200
    place.act(users.set_roles, "other", (), "test")
    assert other.get("/admin/").step == "sign_in"
    assert visitor.get("/admin/").status == 200


def test_risk_that_rises_stops_an_administrator_inside(place: Place, enter: Enter) -> None:
    """I2: the gate is asked at every page, by the policies of that moment."""
    visitor = enter()
    place.apply(USER_RISK_BLOCK)
    assert visitor.get("/admin/users/").status == 200
    place.act(protection.confirm_compromised, "the-administrator", "test", end_sessions=False)
    assert visitor.get("/admin/users/").step == "block"


def test_a_refusal_is_written_down(place: Place, enter: Enter) -> None:
    """Section 10, audit: complete for refusals."""
    enter("help_desk").get("/admin/audit/")
    event = place.rows(AuditEvent, AuditEvent.name == "console:refused")[-1]
    assert event.actor == "the-help-desk"
    assert event.details == {"what": "audit.index", "roles": ["help_desk"]}


def test_pages_inside_write_no_receipt_each(
    place: Place, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log of decisions is about people who came and went, not about pages that somebody looked at."""
    from idprotect.models import Receipt

    visitor = enter()
    before = len(place.rows(Receipt))
    for _ in range(3):
        assert visitor.get("/admin/users/").status == 200
    assert len(place.rows(Receipt)) == before


def test_a_gate_that_cannot_answer_lets_nobody_in(
    place: Place, enter: Enter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I3: any error means not allowed."""
    visitor = enter()

    def broken(*_: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr("idprotect.gate.evaluate", broken)
    answer = visitor.get("/admin/users/")
    assert answer.status >= 500
    assert "The administrator" not in answer.text


def test_the_last_administrator_cannot_be_taken_away(place: Place) -> None:
    """Section 10: cannot remove the last administrator, neither by role nor by blocking."""
    place.make_user("eve", roles=("administrator",))
    for command in (("user", "roles", "eve", "reader"), ("user", "disable", "eve", "--reason", "left")):
        refused = place.cli(*command)
        assert refused.exit_code == 1
        assert "last administrator" in refused.output
    place.make_user("una", roles=("administrator",))
    assert place.cli("user", "roles", "eve", "reader").exit_code == 0


def test_a_stolen_cookie_without_the_factor_of_this_sign_in_opens_nothing(place: Place, enter: Enter) -> None:
    """The cookie of an administrator's plain sign-in is not the console's."""
    enter()
    plain = place.browser().start().sign_in("the-administrator")
    assert plain.step in ("account", "mfa")
    assert plain.cookies[SESSION]
    assert plain.get("/admin/").step == "mfa"
