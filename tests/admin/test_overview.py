"""The overview: its numbers are those of the lists, and it says what needs somebody."""

import json
import re
import statistics
from datetime import date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idprotect import clock, protection, users
from idprotect.admin import charts, figures
from idprotect.admin.data_files import DATA_FILES
from idprotect.models import Receipt, RiskDetection, SignIn
from idprotect.risk.detections import DETECTIONS, SESSION_DETECTIONS
from idprotect.risk.mitre import TECHNIQUES
from idprotect.runtime import runtime
from tests.admin.conftest import Enter
from tests.admin.test_lists import count_of
from tests.security.place import Place, Visitor
from tests.support.world import (
    MFA_POLICY,
    SIGN_IN_RISK_BLOCK,
    SIGN_IN_RISK_POLICY,
    TOR_ADDRESS,
    USER_RISK_POLICY,
)

NUMBER = re.compile(r'<a class="number[^"]*" href="([^"]+)"><strong>([^<]+)</strong> <span>([^<]+)<')
TOTAL = re.compile(
    r'class="chart-title">([^<]+)</span> <strong class="chart-total"><a href="([^"]+)">([\d,]+)<'
)


def busy(place: Place) -> None:
    """Let many things happen, over several days."""
    place.add_application()
    for name in ("ada", "bob", "kim", "leo", "zoe"):
        place.make_user(name, authenticators=("totp",) if name in ("ada", "bob") else ())
    place.browser().ask_for_a_code().sign_in("ada")
    place.clock.move(days=2)
    place.list_address()
    place.apply(SIGN_IN_RISK_BLOCK)
    for name in ("ada", "kim"):
        place.browser(TOR_ADDRESS).ask_for_a_code().sign_in(name)
    place.clock.move(days=1)
    place.apply(MFA_POLICY)
    place.browser().ask_for_a_code().sign_in("bob")
    done = place.browser().ask_for_a_code().sign_in("bob")
    done.submit({"code": place.totp("bob")})
    place.apply(USER_RISK_POLICY)
    for name in ("leo", "zoe"):
        place.act(protection.confirm_compromised, name, "test")
    place.act(protection.dismiss, "zoe", "test", "a mistake")
    place.signed_in("kim")
    with place.arranging():
        users.get("kim").registration_prompted_at = clock.now() - timedelta(days=40)


def follow(visitor: Visitor, url: str) -> int:
    """Return the count that a list says."""
    visitor.get(url.replace("&amp;", "&"))
    assert visitor.status == 200, visitor.text
    return 0 if re.search(r"Nothing (is like that|here yet)", visitor.text) else count_of(visitor)


def test_every_number_is_the_count_of_the_list_that_it_leads_to(place: Place, enter: Enter) -> None:
    """F086: numbers equal the list counts, each a link."""
    busy(place)
    page = enter().page.text
    numbers = NUMBER.findall(page)
    assert len(numbers) == 8
    visitor = enter()
    for url, value, label in numbers:
        assert follow(visitor, url) == int(value), label
    assert sum(int(value) for _, value, _ in numbers) > 5


@pytest.mark.parametrize("days", [7, 30])
def test_the_totals_of_the_charts_are_the_counts_of_their_lists(
    place: Place, enter: Enter, days: int
) -> None:
    """Issue 4: the overview's numbers equal the lists' counts, for what happened over days as well."""
    busy(place)
    visitor = enter().get(f"/admin/?days={days}")
    totals = {title: (url, int(value)) for title, url, value in TOTAL.findall(visitor.page.text)}
    assert set(totals) == {"Detections", "Sign-ins that were asked for more", "Sign-ins that were stopped"}
    for title, (url, value) in totals.items():
        assert follow(visitor, url) == value > 0, title


def test_the_charts_count_each_sign_in_once_by_the_most_it_was_asked_for(place: Place, enter: Enter) -> None:
    """F101: values reproducible from the rows."""
    busy(place)
    enter()
    asked = {
        row.sign_in_id
        for row in place.rows(Receipt, Receipt.outcome.in_(["notice_required", "mfa_required"]))
    }
    good = place.rows(SignIn, SignIn.succeeded)
    visitor = enter().get("/admin/?days=7")
    fresh = {row.sign_in_id for row in place.rows(Receipt, Receipt.outcome == "mfa_required")} - asked
    titles = re.findall(
        r"<title>(\d\d \w+): (\d+) (notice|mfa|registration|password change) required</title>",
        visitor.page.text,
    )
    assert sum(int(number) for _, number, _ in titles) == len(asked | fresh)
    rate = re.search(
        r'Prompts in 100 sign-ins</span> <strong class="chart-total">([\d.]+)<', visitor.page.text
    )
    assert rate is not None
    assert float(rate.group(1)) == round(100 * len(asked | fresh) / (len(good) + 1), 1)


MEASURE = re.compile(r'<a class="measure" href="([^"]+)"><strong>([^<]+)</strong> <span>([^<]+)<')


def test_what_was_achieved_is_worked_out_from_the_exported_rows(place: Place, enter: Enter) -> None:
    """F101: protected sign-ins, and the median time to remediate, from the files of their lists and nothing else."""
    place.make_user("ada", authenticators=("totp",))
    place.make_user("bob", authenticators=("totp",))
    place.make_user("kim")
    place.apply(SIGN_IN_RISK_POLICY, USER_RISK_POLICY)
    place.list_address()
    place.browser(TOR_ADDRESS).start().sign_in("kim")
    place.browser(TOR_ADDRESS).start().sign_in("ada").submit().submit({"code": place.totp("ada")})
    for name, hours in (("bob", 5), ("ada", 30)):
        place.act(protection.confirm_compromised, name, "test")
        place.clock.move(hours=hours)
        place.act(users.set_temporary_password, name, "test")
    visitor = enter().get("/admin/?days=7")
    found = {
        label: (url.replace("&amp;", "&"), text) for url, text, label in MEASURE.findall(visitor.page.text)
    }
    assert {label: text for label, (_, text) in found.items()} == {
        "Risky sign-ins stopped": "1",
        "Risky sign-ins that proved a second factor": "1",
        "Median time to remediate": "5 h",
    }
    for label in ("Risky sign-ins stopped", "Risky sign-ins that proved a second factor"):
        assert len(rows_of_file(visitor, found[label][0])) == 1, label
    rows = rows_of_file(visitor, found["Median time to remediate"][0])
    times = [datetime.fromisoformat(row["closed"]) - datetime.fromisoformat(row["at"]) for row in rows]
    assert len(times) == 3
    assert figures.in_words(statistics.median(times)) == "5 h"


def rows_of_file(visitor: Visitor, url: str) -> list[dict[str, Any]]:
    """Return the rows of the file of a list."""
    path, _, query = url.partition("?")
    return list(json.loads(visitor.send("GET", f"{path}export.json?{query}").response.text))


@pytest.mark.parametrize(
    ("time", "said"),
    [(None, "–"), (59, "59 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172800, "2 d"), (0, "0 s")],
)
def test_a_duration_is_said_in_one_unit(time: int | None, said: str) -> None:
    """F101: what nobody measured is not nought."""
    assert figures.in_words(None if time is None else timedelta(seconds=time)) == said


def test_detections_name_their_technique(place: Place, enter: Enter) -> None:
    """F101: the label of MITRE ATT&CK, on the page, as a filter, and in the file."""
    busy(place)
    visitor = enter()
    rows = rows_of_file(visitor, "/admin/detections/?technique=t1090")
    assert rows
    assert {(row["detection"], row["technique"]) for row in rows} == {("anonymous_ip", "T1090")}
    visitor.get(
        f"/admin/sign-ins/{place.rows(RiskDetection, RiskDetection.name == 'anonymous_ip')[0].sign_in_id}"
    )
    assert "MITRE ATT&amp;CK T1090" in visitor.page.text
    known = {detection.name for detection in (*DETECTIONS, *SESSION_DETECTIONS)}
    assert known <= set(TECHNIQUES)


def test_an_old_day_is_not_in_a_short_chart(place: Place, enter: Enter) -> None:
    busy(place)
    place.clock.move(days=20)
    visitor = enter()
    short, long = (
        {title: value for title, _, value in TOTAL.findall(visitor.get(f"/admin/?days={days}").page.text)}
        for days in (7, 30)
    )
    assert short["Detections"] == "0"
    assert long["Detections"] != "0"


def test_a_reference_number_leads_to_its_decision_however_it_is_typed(place: Place, enter: Enter) -> None:
    """F078: the administrator finds the sign-in by that number; each look-up is in the audit log."""
    place.make_user()
    place.list_address()
    place.apply(SIGN_IN_RISK_BLOCK)
    stopped = place.browser(TOR_ADDRESS).start().sign_in()
    reference = re.search(r"\b[2-9A-Z]{5}-[2-9A-Z]{5}\b", stopped.text)
    assert reference is not None
    for role in ("administrator", "help_desk"):
        visitor = enter(role)
        for typed in (
            reference.group(),
            reference.group().lower().replace("-", ""),
            f" {reference.group()} ",
        ):
            answer = visitor.send("GET", f"/admin/find?reference={typed.replace(' ', '%20')}").response
            assert answer.status_code == 303
            assert answer.headers["Location"].endswith(f"#{reference.group()}")
        visitor.get(answer.headers["Location"].partition("#")[0])
        assert f'id="{reference.group()}"' in visitor.page.text
        assert "this sign-in is at risk" in visitor.text
    missing = enter().get("/admin/find?reference=AAAAA-AAAAA")
    assert missing.status == 404
    assert "No decision has the reference number" in missing.text


def test_the_help_desk_sees_what_was_decided_and_not_how(place: Place, enter: Enter) -> None:
    """Issue 4: help desk can look a reference up and see the reason class; no addresses, signals or policies."""
    place.make_user()
    place.list_address()
    place.apply(SIGN_IN_RISK_BLOCK)
    place.browser(TOR_ADDRESS).start().sign_in()
    (sign_in,) = place.rows(SignIn, SignIn.ip_address == TOR_ADDRESS)
    for role, sees in (("help_desk", False), ("reader", True)):
        visitor = enter(role)
        assert ("What needs you" in visitor.text) == sees
        for path in (f"/admin/sign-ins/{sign_in.id}", f"/admin/users/{sign_in.user_id}"):
            visitor.get(path)
            assert visitor.status == 200
            for word in (TOR_ADDRESS, "anonymous ip", "sign-in-risk", "Risk ledger", "User agent"):
                assert not (word in visitor.text and not sees), f"{role} {path} {word}"
            assert (TOR_ADDRESS in visitor.text) == sees


def test_a_receipt_is_made_again_and_says_so(place: Place, enter: Enter) -> None:
    """F053, D02: each policy, result, unmet condition; recompute gives the same answer."""
    place.make_user()
    place.apply(SIGN_IN_RISK_BLOCK)
    place.signed_in()
    (sign_in,) = place.rows(SignIn)
    visitor = enter().get(f"/admin/sign-ins/{sign_in.id}")
    assert "Made again from these facts: the same answer." in visitor.text
    assert "not met: sign in risk" in visitor.text.replace("_", " ")
    with place.arranging():
        from idprotect.models import session

        receipt = session().query(Receipt).filter(Receipt.sign_in_id == sign_in.id).first()
        assert receipt is not None
        receipt.facts = {**receipt.facts, "sign_in_risk": "high"}
    assert "That is another answer." in visitor.get(f"/admin/sign-ins/{sign_in.id}").text


def test_the_page_of_a_new_person_says_until_when_they_are_learnt(place: Place, enter: Enter) -> None:
    """F003: the user page says "learning until …"."""
    user_id = place.make_user()
    place.signed_in()
    assert re.search(r"Learning this user until \d{4}-\d\d-\d\d", enter().get(f"/admin/users/{user_id}").text)


def test_what_is_missing_in_the_set_up_is_said_with_the_way_to_mend_it(place: Place, enter: Enter) -> None:
    """F100: posture findings with a fix; each disappears once it is mended."""
    visitor = enter()
    findings = (
        "No policy acts on people at risk.",
        "No policy acts on risky sign-ins.",
        "There is one administrator.",
    )
    for finding in findings:
        assert finding in visitor.text
    for kind in ("user-risk", "sign-in-risk", "mfa-registration"):
        assert f"policy template {kind}" in visitor.text
    place.apply(USER_RISK_POLICY.replace('"on"', '"report_only"'))
    assert "No policy acts on people at risk. user-risk only reports." in visitor.get("/admin/").text
    assert "policy set-state user-risk on" in visitor.text
    assert "/admin/policies/state/user-risk/on" in visitor.links()
    place.make_user("una", roles=("administrator",))
    assert "una has no second factor" in visitor.get("/admin/").text
    place.apply(USER_RISK_POLICY, SIGN_IN_RISK_BLOCK, MFA_POLICY)
    visitor.get("/admin/")
    for finding in findings:
        assert finding not in visitor.text
    place.cli("policy", "emergency", "on", "--reason", "test")
    assert "the emergency switch is on" in visitor.get("/admin/").text


def test_what_is_not_set_leads_to_how_to_set_it(place: Place, enter: Enter) -> None:
    """F100: each setting with what it is for, where such files come from, and the command that tells how they do."""
    with place.app.app_context():
        unset = runtime().intelligence.not_configured()
    assert unset
    visitor = enter("reader")
    links = [f"/admin/data-files#{setting}" for setting in unset]
    assert [link for link in visitor.links() if "#IDPROTECT" in link] == links
    visitor.get("/admin/data-files")
    for file in DATA_FILES:
        assert f'id="{file.setting}"' in visitor.page.text
        assert f"{file.setting}=" in visitor.text
    assert visitor.text.count("not set") == len(unset)
    assert "flask idprotect intelligence" in visitor.text
    assert set(unset) < {file.setting for file in DATA_FILES}


def test_signals_that_nobody_gave_are_named(place: Place, enter: Enter) -> None:
    """Issue 4: signal health; not evaluated is never counted as safe."""
    visitor = enter()
    assert "IDPROTECT_CITY_DATABASE" in visitor.text
    assert re.search(r"\bok\b.*anonymous", visitor.text)


series = st.lists(st.integers(0, 100_000), min_size=1, max_size=90)


@given(series, st.integers(0, 50))
def test_bars_stay_in_their_box_and_add_up(values: list[int], more: int) -> None:
    """Whatever the numbers: nothing outside the picture, heights in proportion, every number in the table."""
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(len(values))]
    chart = charts.stacked("x", "X", days, {"low": values, "high": [more] * len(values)})
    assert chart.total == f"{sum(values) + more * len(values):,}"
    assert [row[1] for row in chart.rows] == [[str(value), str(more)] for value in values]
    for bar in chart.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= charts.WIDTH
        assert 0 <= round(bar.y, 1) <= round(bar.y + bar.height, 1) <= charts.HEIGHT
    tallest = max((bar.height for bar in chart.bars if bar.kind == "low"), default=0.0)
    if max(values):
        of_first = next(bar for bar in chart.bars if bar.kind == "low")
        first = next(value for value in values if value)
        assert of_first.height == pytest.approx(tallest * first / max(values), abs=0.02)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=90))
def test_a_line_stays_in_its_box(values: list[float]) -> None:
    days = [date(2026, 1, 1) + timedelta(days=n) for n in range(len(values))]
    chart = charts.line("x", "X", days, values, "1")
    for point in chart.points.split():
        x, y = map(float, point.split(","))
        assert 0 <= x <= charts.WIDTH
        assert 0 <= y <= charts.HEIGHT


def test_the_drawings_are_well_formed_and_have_no_inline_style(place: Place, enter: Enter) -> None:
    """Section 9: strict CSP; SVG drawn by attributes and classes alone."""
    busy(place)
    drawings = re.findall(r"<svg viewBox.*?</svg>", enter().page.text, re.S)
    assert len(drawings) >= 4
    for drawing in drawings:
        assert "style=" not in drawing
        ElementTree.fromstring(drawing)
