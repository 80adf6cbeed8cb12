"""The lists: what they show, in which order, page by page, and the files of them."""

import csv
import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from random import Random
from typing import Any

import pytest

from idprotect import clients, clock, protection, users
from idprotect.lists import LISTINGS
from idprotect.models import RiskDetection, SignIn, User, new_id, session
from idprotect.registration import Registration
from tests.admin.conftest import Enter
from tests.security.place import Place, Visitor
from tests.support.world import SIGN_IN_RISK_BLOCK, TOR_ADDRESS

COUNT = re.compile(r"(?:more than )?([\d,]+) rows?\b")


def fill(server: Place, count: int = 120, **traits: Any) -> None:
    """Store sign-ins of one user, many of them at the very same moment."""
    chance = Random(4)
    with server.arranging():
        user = users.get("ada")
        for number in range(count):
            at = clock.now() - timedelta(hours=number // 7)
            row = {
                "id": new_id(),
                "user_id": user.id,
                "succeeded": chance.random() > 0.2,
                "signed_in_at": at,
                "authenticated_at": at,
                "last_seen_at": at,
                "expires_at": at,
                "ip_address": f"198.51.100.{chance.randrange(4)}",
                "completed_at": at if chance.random() > 0.5 else None,
                "amr": ["pwd"],
            }
            session().add(SignIn(**row, **traits))


def rows(visitor: Visitor) -> list[str]:
    """Return the keys of the rows, by the links in their first cell."""
    return re.findall(r'data-label="Time \(UTC\)"[^>]*><a href="/admin/sign-ins/(\w+)"', visitor.page.text)


def count_of(visitor: Visitor) -> int:
    """Return how many rows the page says that there are."""
    match = COUNT.search(visitor.text)
    assert match is not None, visitor.text
    return int(match.group(1).replace(",", ""))


def walk(visitor: Visitor, relation: str) -> Iterator[list[str]]:
    """Follow the links to the next or previous page to the end."""
    while True:
        yield rows(visitor)
        link = re.search(rf'rel="{relation}" href="([^"]+)"', visitor.page.text)
        if link is None:
            return
        assert visitor.get(link.group(1).replace("&amp;", "&")).status == 200, visitor.text


def export(visitor: Visitor, ending: str) -> str:
    """Take the file of the list in front of somebody."""
    link = next(link for link in visitor.links() if f"/export.{ending}" in link)
    answer = visitor.send("GET", link).response
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.text


@pytest.mark.parametrize("sort", ["", "at", "-at"])
def test_pages_hold_every_row_once_in_order_forwards_and_back(place: Place, enter: Enter, sort: str) -> None:
    """Paging by key: rows of the same moment neither fall between two pages nor stand on both."""
    place.make_user("ada")
    fill(place)
    visitor = enter()
    visitor.get(f"/admin/sign-ins/?user=ada{'&sort=' + sort if sort else ''}")
    pages = list(walk(visitor, "next"))
    found = [key for page in pages for key in page]
    assert [len(page) for page in pages] == [50, 50, 20]
    stored = sorted(
        place.rows(SignIn, SignIn.succeeded | ~SignIn.succeeded), key=lambda s: (s.signed_in_at, s.id)
    )
    expected = [s.id for s in stored if s.device_name == ""]
    assert found == (expected if sort == "at" else expected[::-1])
    backwards = list(walk(visitor, "prev"))
    assert backwards == pages[::-1]


@pytest.mark.parametrize(
    "query", ["user=ada", "outcome=failed", "ip=198.51.100.2&outcome=completed", "within=24h"]
)
def test_a_file_holds_exactly_what_is_filtered(place: Place, enter: Enter, query: str) -> None:
    """F090, C092: the rows of both files equal the count on the screen, and are the rows of the screen."""
    place.make_user("ada")
    fill(place)
    visitor = enter().get(f"/admin/sign-ins/?{query}")
    as_json = json.loads(export(visitor, "json"))
    as_csv = list(csv.DictReader(io.StringIO(export(visitor, "csv"))))
    assert len(as_json) == len(as_csv) == count_of(visitor) > 0
    assert [row["at"] for row in as_json] == [row["at"] for row in as_csv]
    assert [row["at"] for row in as_json] == sorted((row["at"] for row in as_json), reverse=True)
    assert sum(len(page) for page in walk(visitor, "next")) == len(as_json)


def test_an_empty_list_is_an_empty_file(place: Place, enter: Enter) -> None:
    visitor = enter()
    assert json.loads(visitor.send("GET", "/admin/detections/export.json").response.text) == []
    assert len(visitor.send("GET", "/admin/detections/export.csv").response.text.splitlines()) == 1


def test_filters_narrow_down_and_together_still_more(place: Place, enter: Enter) -> None:
    """F088: what fits none of the answers is not there."""
    place.make_user("ada")
    fill(place)
    visitor = enter()
    stored = [s for s in place.rows(SignIn) if s.device_name == ""]
    for query, fits in (
        ("outcome=failed", lambda s: not s.succeeded),
        ("outcome=completed", lambda s: s.succeeded and s.completed_at),
        ("outcome=stopped", lambda s: s.succeeded and not s.completed_at),
        ("outcome=failed&ip=198.51.100.3", lambda s: not s.succeeded and s.ip_address == "198.51.100.3"),
    ):
        assert count_of(visitor.get(f"/admin/sign-ins/?user=ada&{query}")) == sum(
            bool(fits(s)) for s in stored
        )
    assert count_of(visitor.get("/admin/sign-ins/?q=198.51.100.3")) == sum(
        s.ip_address == "198.51.100.3" for s in stored
    )
    assert "Nothing is like that" in visitor.get("/admin/sign-ins/?user=nobody").text


def test_risky_sign_ins_know_detection_application_and_level(place: Place, enter: Enter) -> None:
    """F088: filters by both levels, kind, application, address; and its search takes a reference number."""
    place.add_application()
    place.make_user("ada")
    place.list_address()
    place.apply(SIGN_IN_RISK_BLOCK)
    stopped = place.browser(TOR_ADDRESS).ask_for_a_code().sign_in("ada")
    reference = re.search(r"\b[2-9A-Z]{5}-[2-9A-Z]{5}\b", stopped.text)
    assert reference is not None
    visitor = enter()
    for query, expected in (
        ("", 1),
        ("?detection=anonymous_ip", 1),
        ("?detection=password_spray", 0),
        ("?client=notes", 1),
        ("?client=other", 0),
        ("?then=medium&now=medium", 1),
        ("?then=high", 0),
        (f"?q={reference.group().lower()}", 1),
        ("?q=AAAAA-AAAAA", 0),
        ("?state=open", 1),
        ("?state=dismissed", 0),
    ):
        assert len(rows(visitor.get(f"/admin/risky-sign-ins/{query}"))) == expected, query


def test_detections_are_sorted_by_when_they_were_made_and_filtered(place: Place, enter: Enter) -> None:
    """F089: the time of the detection, whatever became of it since; by name, level, state, technique and when closed."""
    for name in ("ada", "bob"):
        place.make_user(name)
        place.act(protection.confirm_compromised, name, "test")
        place.clock.move(hours=1)
    place.act(protection.dismiss, "ada", "test", "a mistake")
    visitor = enter("reader")

    def people(query: str) -> list[str]:
        rows = json.loads(visitor.send("GET", f"/admin/detections/export.json?{query}").response.text)
        return [row["user"] for row in rows]

    assert people("") == people("sort=-at") == ["bob", "ada"]
    assert people("sort=at") == ["ada", "bob"]
    assert people("state=open") == ["bob"]
    assert people("closed=24h") == people("detail=admin_dismissed") == ["ada"]
    assert people("detection=admin_confirmed&level=high&within=24h") == ["bob", "ada"]
    assert people("technique=T1110") == []


def test_risky_users_are_those_whose_risk_is_or_was(place: Place, enter: Enter) -> None:
    """F087: filters state, level, detail, time."""
    for name in ("ada", "kim", "leo"):
        place.make_user(name)
    place.act(protection.confirm_compromised, "ada", "test")
    place.act(protection.confirm_compromised, "kim", "test")
    place.act(protection.dismiss, "kim", "test", "a mistake")
    visitor = enter()
    for query, names in (
        ("", {"ada", "kim"}),
        ("?state=open", {"ada"}),
        ("?level=high", {"ada"}),
        ("?state=dismissed&detail=admin_dismissed", {"kim"}),
        ("?within=7d", {"ada", "kim"}),
        ("?to=2020-01-01", set()),
        ("?q=ki", {"kim"}),
    ):
        visitor.get(f"/admin/risky-users/{query}")
        shown = set(re.findall(r'data-label="User"[^>]*><a[^>]*>(\w+)</a>', visitor.page.text))
        assert shown == names, query


def test_the_registration_report_counts_and_lists(place: Place, enter: Enter) -> None:
    """F083: registered, pending, overdue."""
    place.apply('[[policy]]\nname = "r"\nstate = "on"\nthen = { require = ["registration"], skip_days = 14 }')
    for name in ("late", "soon", "never"):
        place.make_user(name)
    place.make_user("done", authenticators=("totp",))
    with place.arranging():
        users.get("late").registration_prompted_at = clock.now() - timedelta(days=15)
        users.get("soon").registration_prompted_at = clock.now() - timedelta(days=3)
    visitor = enter()
    for status, names in (
        ("overdue", {"late"}),
        ("pending", {"soon", "never"}),
        ("registered", {"done", "the-administrator"}),
    ):
        visitor.get(f"/admin/users/?factor={status}")
        shown = set(re.findall(r'data-label="User"[^>]*><a[^>]*>([\w-]+)</a>', visitor.page.text))
        assert shown == names
        assert count_of(visitor) == len(names)


def test_sessions_are_those_that_can_still_be_used(place: Place, enter: Enter) -> None:
    """Ended, idle and replaced sign-ins are none."""
    place.make_user("ada")
    place.signed_in()
    ended = place.signed_in()
    with place.arranging():
        newest = max(place.rows(SignIn), key=lambda s: s.signed_in_at)
        row = session().get_one(SignIn, newest.id)
        row.ended_at, row.cookie_hash = clock.now(), None
    assert not ended.is_signed_in
    visitor = enter().get("/admin/sessions/?user=ada")
    assert count_of(visitor) == 1
    place.clock.move(minutes=61)
    assert "Nothing is like that" in enter().get("/admin/sessions/?user=ada").text


def test_a_list_keeps_its_link_short_and_shows_chosen_columns(place: Place, enter: Enter) -> None:
    """F087, saved filters: the address of the page is the filter; columns are selectable."""
    place.make_user("ada")
    fill(place, 3)
    visitor = enter()
    answer = visitor.send(
        "GET", "/admin/sign-ins/?user=ada&ip=&outcome=&q=&column=at&column=user_agent"
    ).response
    assert answer.status_code == 303
    assert answer.headers["Location"] == "/admin/sign-ins/?user=ada&column=at&column=user_agent"
    visitor.get(answer.headers["Location"])
    assert re.findall(r'<td[^>]*data-label="([^"]+)"', visitor.page.text)[:2] == ["Time (UTC)", "User agent"]
    assert "Address" not in re.findall(r'<td[^>]*data-label="([^"]+)"', visitor.page.text)


@pytest.mark.parametrize(
    "query",
    [
        "sort=cookie_hash",
        "sort=--at",
        "sort=at;drop",
        "outcome=maybe",
        "within=1000d",
        "ip=not-an-address",
        "from=2026-13-45",
        "after=AAAA",
        "after=W10",
        "to=9999-12-31",
        "after=WyIwMDAxLTAxLTAxVDAwOjAwOjAwKzE0OjAwIiwieCJd",
        f"after={'W1tb' * 1700}",
        "after=WzEsMl0",
        "after=WyIyMDI2LTAxLTAxVDAwOjAwOjAwIiwgIngiXQ",
        "user=" + "x" * 300,
        "user=%00",
        "q=%ED%A0%80",
        "before=%F0%9F%98%80",
    ],
)
def test_an_address_that_makes_no_sense_is_refused_and_not_taken_for_no_filter(
    place: Place, enter: Enter, query: str
) -> None:
    """Sort and filter names from a list (A 1.2.x); odd values are 4xx, or find nothing."""
    place.make_user("ada")
    fill(place, 3)
    visitor = enter().get(f"/admin/sign-ins/?{query}")
    assert visitor.status == 400 or "Nothing is like that" in visitor.text


def test_secrets_are_in_no_list_and_no_file(place: Place, enter: Enter) -> None:
    """Section 10: secrets not displayable, sortable, searchable, filterable or exportable."""
    place.add_application()
    place.make_user("ada", authenticators=("totp", "sms"))
    visitor = enter()
    with place.app.app_context():
        secret_columns = {
            "password_hash",
            "temporary_password_hash",
            "password_history",
            "secret_hash",
            "cookie_hash",
        }
        secrets = [
            str(getattr(row, name))
            for model in (User, SignIn)
            for row in session().query(model)
            for name in secret_columns & set(model.__table__.columns.keys())
            if getattr(row, name)
        ]
    assert secrets
    for name, listing in LISTINGS.items():
        base = f"/admin/{name.replace('_', '-')}"
        columns = "&".join(f"column={column.name}" for column in listing.columns)
        for path in (f"{base}/?{columns}", f"{base}/export.json", f"{base}/export.csv"):
            answer = visitor.send("GET", path).response
            assert answer.status_code == 200, path
            assert not [secret for secret in secrets if secret in answer.text], path


FORMULAS = ["=1+1", "+1", "-1+1", "@SUM(A1)", "\u2066=1", "＝1+1"]


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_of_a_file_is_a_formula(place: Place, enter: Enter, formula: str) -> None:
    """Section 10: exports neutralize formulas (A 1.2.10)."""
    place.make_user("ada", name=formula)
    visitor = enter().get("/admin/users/?q=ada")
    (row,) = csv.DictReader(io.StringIO(export(visitor, "csv")))
    assert not row["name"].startswith(("=", "+", "-", "@", "＝", "\t", "\r"))
    assert row["name"].lstrip("'") == formula
    (same,) = json.loads(export(visitor, "json"))
    assert same["name"] == formula


def test_an_export_is_written_down(place: Place, enter: Enter) -> None:
    """Section 10, audit: who took which list, filtered how."""
    from idprotect.models import AuditEvent

    visitor = enter().get("/admin/users/?enabled=yes")
    export(visitor, "csv")
    (event,) = place.rows(AuditEvent, AuditEvent.name == "console:exported")
    assert event.actor == "the-administrator"
    assert event.details == {"list": "users", "filters": {"enabled": "yes"}, "ending": "csv"}


PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "';alert(1)//",
    "{{7*7}}",
    "<svg/onload=alert(1)>",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_came_from_outside_is_text_on_every_page(place: Place, enter: Enter, payload: str) -> None:
    """Section 10 and 9, stored XSS: names, user agents, devices, places, reasons, application names, audit details."""
    with place.arranging():
        registration = Registration(client_name=payload, redirect_uris=("https://notes.example/cb",))
        clients.create(registration, by=payload, client_id="odd")
    place.make_user("ada", name=payload, groups=(payload,), email=f"{payload}@example.org")
    fill(
        place,
        2,
        user_agent=payload,
        device_name=payload,
        place=payload,
        end_reason=payload[:60],
        platform=None,
    )
    place.act(protection.confirm_compromised, "ada", payload, payload)
    with place.arranging():
        user = users.get("ada")
        sign_in = place.rows(SignIn, SignIn.user_id == user.id)[0]
        session().add(
            RiskDetection(
                id=new_id(), user_id=user.id, sign_in_id=sign_in.id, name="external_finding", about="sign_in", level=1,
                timing="offline", reasons=[payload], evidence={payload: payload}, state="at_risk", detected_at=clock.now(),
            )
        )  # fmt: skip
        user_id, sign_in_id = user.id, sign_in.id
    visitor = enter()
    paths = [
        f"/admin/{name.replace('_', '-')}/?{_all_columns(listing)}" for name, listing in LISTINGS.items()
    ]
    paths += [
        f"/admin/users/{user_id}",
        f"/admin/sign-ins/{sign_in_id}",
        "/admin/applications/odd",
        "/admin/",
    ]
    for path in (*paths, "/admin/audit/3", "/admin/audit/4"):
        visitor.get(path)
        assert visitor.status == 200, path
        assert not _as_markup(payload, visitor), path
    searched = visitor.get(f"/admin/users/?q={payload.replace('#', '%23')}")
    assert not _as_markup(payload, searched)


def _as_markup(payload: str, visitor: Visitor) -> bool:
    """Whether the payload stands in the page as something else than text."""
    starts = ("<script>alert", "<img src=x", "<svg/onload", '"><img')
    return any(start in visitor.page.text for start in starts) or ("{{" in payload and " 49 " in visitor.text)


def _all_columns(listing: Any) -> str:
    return "&".join(f"column={column.name}" for column in listing.columns)
