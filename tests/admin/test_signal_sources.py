"""Signal sources in the console: added, looked at, paused, resumed, undone; the token is shown once."""

import re
from typing import Any

import pytest

from idprotect import clock, protection
from idprotect.event_types import CREDENTIAL_COMPROMISE, RISK_LEVEL_CHANGE, SESSION_REVOKED
from idprotect.keys import sha256
from idprotect.models import AuditEvent, ReceivedSignal, RiskDetection, SignalSource, User, session
from idprotect.risk import RiskLevel
from idprotect.risk.detections.shared_signal import shared_signal
from idprotect.signal_sources import sources
from idprotect.signal_sources.receiving import Outcome
from idprotect.signal_sources.sources import Wanted
from tests.admin.conftest import Enter
from tests.security.place import Place, Visitor
from tests.support.filled import FilledForm

REASON = "Agreed with their administrators."
TYPED = {
    "name": "Device management",
    "issuer": "https://mdm.example",
    "audience": "https://id.example",
    "jwks_uri": "https://mdm.example/jwks",
    "level_cap": "medium",
    "people_per_hour": "5",
}


def send(visitor: Visitor, **typed: Any) -> Visitor:
    """Fill the form of the page."""
    form = FilledForm(visitor.page.text, "csrf_token")
    return visitor.go("POST", form.action, form.values | {"reason": REASON} | typed)


def add(place: Place, **wanted: Any) -> str:
    """Listen to somebody; return the id."""
    asked = {"name": "head office", "issuer": "https://head.example", "audience": "us"}
    with place.arranging():
        source, _ = sources.add(
            Wanted(**{**asked, "jwks_uri": "https://head.example/jwks", **wanted}), "test"
        )
        return source.id


def raise_for(place: Place, source_id: str, username: str, outcome: Outcome = Outcome.RAISED) -> None:
    """Let a source have told of somebody."""
    with place.arranging():
        user = session().query(User).filter_by(username=username).one()
        source = sources.get(source_id)
        row = ReceivedSignal(
            id=sha256(username), source_id=source.id, jti=username, event_type=RISK_LEVEL_CHANGE, received_at=clock.now(),
            outcome=str(outcome), user_id=user.id,
        )  # fmt: skip
        if outcome is Outcome.RAISED:
            finding = shared_signal(source.name, RISK_LEVEL_CHANGE, {"current_level": "HIGH"}, RiskLevel.HIGH)
            assert finding is not None
            row.detection_id = protection.raise_detection(user, finding).id
        else:
            row.content = {"members": {"current_level": "HIGH"}, "txn": "x"}
        source.received_at = clock.now()
        session().add(row)


def only(place: Place) -> SignalSource:
    """Return the one source there is."""
    (source,) = place.rows(SignalSource)
    return source


def test_a_source_is_added_and_its_token_shown_once(place: Place, enter: Enter) -> None:
    """C020, F103: stored hashed, written down, and nowhere to be seen again."""
    visitor = send(
        enter().get("/admin/signal-sources/new"),
        **TYPED,
        events=[RISK_LEVEL_CHANGE, SESSION_REVOKED],
        subjects=["email", "ours"],
    )
    assert visitor.status == 200, visitor.page.text
    found = re.search(r'id="push-token">Bearer ([^<]+)<', visitor.page.text)
    assert found is not None
    source = only(place)
    assert source.token_hash == sha256(found[1])
    assert (source.events, source.subjects) == ([RISK_LEVEL_CHANGE, SESSION_REVOKED], ["email", "ours"])
    assert (source.level_cap, source.people_per_hour) == (2, 5)
    assert f"/signals/{source.id}" in visitor.page.text
    visitor.get(f"/admin/signal-sources/{source.id}")
    assert found[1] not in visitor.page.text
    assert all(found[1] not in value for _, value in place.values())
    (event,) = place.rows(AuditEvent, AuditEvent.name == "signal_source:changed")
    assert (event.actor, event.details["change"], event.details["reason"]) == (
        "the-administrator",
        "added",
        REASON,
    )
    assert "Device management" in visitor.get("/admin/signal-sources/").text


@pytest.mark.parametrize(
    ("typed", "field", "said"),
    [
        ({"name": ""}, "name", "A name is needed."),
        ({"issuer": "http://mdm.example"}, "issuer", "https"),
        ({"issuer": "nowhere"}, "issuer", ""),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri", ""),
        ({"jwks_uri": ""}, "issuer", "There is no /.well-known/ssf-configuration of this issuer."),
        ({"people_per_hour": "many"}, "people_per_hour", "a number from 1"),
        ({"people_per_hour": "0"}, "people_per_hour", "a number from 1"),
        ({"events": []}, "events", "At least one event"),
        ({"subjects": []}, "subjects", "People are named by"),
        ({"application_id": "unknown"}, "application_id", "No application has this client id here."),
        ({"delivery": "poll"}, "poll_url", ""),
        ({"delivery": "poll", "poll_url": "https://mdm.example/poll"}, "secret", "we need a token"),
        ({"client_id": "us"}, "client_id", "both"),
        ({"name": "head office"}, "name", "Another source has this name."),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    place: Place, enter: Enter, typed: dict[str, Any], field: str, said: str
) -> None:
    """C020: nothing is stored, and what was typed is kept."""
    add(place)
    visitor = send(enter().get("/admin/signal-sources/new"), **{**TYPED, **typed})
    assert visitor.status == 400, visitor.text
    beside = visitor.page.text.partition(f'id="{field}-error"')[2].partition("</div>")[0]
    assert beside, visitor.page.text
    assert said in beside
    assert len(place.rows(SignalSource)) == 1


def test_a_source_is_changed(place: Place, enter: Enter) -> None:
    """C020: secrets stay as they were unless typed anew; the audit log has both states, and no secret."""
    source_id = add(place)
    visitor = enter().get(f"/admin/signal-sources/{source_id}/change")
    send(
        visitor,
        level_cap="low",
        events=[CREDENTIAL_COMPROMISE],
        secret="of-ours",
        client_id="us",
        token_url="https://head.example/token",
    )
    assert visitor.path == f"/admin/signal-sources/{source_id}", visitor.page.text
    source = only(place)
    assert (source.level_cap, source.events) == (1, [CREDENTIAL_COMPROMISE])
    assert source.secret is not None
    send(visitor.get(f"/admin/signal-sources/{source_id}/change"), level_cap="high")
    assert only(place).secret == source.secret
    assert all("of-ours" not in value for _, value in place.values())
    events = place.rows(AuditEvent, AuditEvent.name == "signal_source:changed")
    assert [event.details["change"] for event in events] == ["added", "changed", "changed"]
    assert (events[1].details["before"]["level_cap"], events[1].details["after"]["level_cap"]) == (
        "high",
        "low",
    )


def test_a_new_token_ends_the_old_one(place: Place, enter: Enter) -> None:
    """C020: shown once; sent twice, the page makes one."""
    source_id = add(place)
    before = only(place).token_hash
    visitor = enter().get(f"/admin/signal-sources/{source_id}/new-token")
    form = FilledForm(visitor.page.text, "csrf_token")
    visitor.go("POST", form.action, form.values | {"reason": REASON})
    after = only(place).token_hash
    assert after != before
    visitor.go("POST", form.action, form.values | {"reason": REASON})
    assert visitor.status == 400
    assert only(place).token_hash == after


def test_a_source_is_paused_and_resumed(place: Place, enter: Enter) -> None:
    """C020: the overview says so meanwhile; pausing is quick, letting through is the administrator's."""
    source_id = add(place)
    place.make_user("ada")
    operator = enter("operator").get(f"/admin/signal-sources/{source_id}/pause")
    send(operator)
    assert "the-operator paused it" in operator.text
    raise_for(place, source_id, "ada", Outcome.HELD)
    assert "head office tells has no effect" in enter("reader").get("/admin/").text
    visitor = enter().get(f"/admin/signal-sources/{source_id}/resume")
    assert "1 event is held" in visitor.text
    assert send(visitor).status == 400, "what becomes of it has to be chosen"
    send(visitor, held="discard")
    assert only(place).held_since is None
    (row,) = place.rows(ReceivedSignal)
    assert (row.outcome, row.content) == ("discarded", None)
    assert send(visitor.get(f"/admin/signal-sources/{source_id}/resume"), held="discard").status == 400


def test_what_a_source_raised_is_undone(place: Place, enter: Enter) -> None:
    """C020: as false positives, of everybody but oneself."""
    source_id = add(place)
    place.make_user("ada")
    visitor = enter()
    for username in ("ada", "the-administrator"):
        raise_for(place, source_id, username)
    visitor = enter("administrator", "other")
    raise_for(place, source_id, "other")
    visitor.get(f"/admin/signal-sources/{source_id}/undo")
    if visitor.path.endswith("/undo"):
        send(visitor)
    assert "2 detections were closed as false positives." in visitor.text
    assert "for somebody else to close" in visitor.text
    states = {row.user_id: row.state for row in place.rows(RiskDetection)}
    assert sorted(states.values()) == ["at_risk", "confirmed_safe", "confirmed_safe"]
    assert place.rows(AuditEvent, AuditEvent.name == "signal_source:undone")[0].details["left"] == 1


def test_the_page_of_a_source_shows_what_it_told(place: Place, enter: Enter) -> None:
    """C020: text from outside is text."""
    source_id = add(place, name="<b>head</b>")
    place.make_user("ada")
    raise_for(place, source_id, "ada")
    page = enter("reader").get(f"/admin/signal-sources/{source_id}").page.text
    assert "<b>head</b>" not in page
    assert "risk-level-change" in page
    assert ">ada</a>" in page
    assert "/pause" not in page, "a reader only reads"


def test_a_source_is_removed(place: Place, enter: Enter) -> None:
    """C020: with its log; what it raised stays."""
    source_id = add(place)
    place.make_user("ada")
    raise_for(place, source_id, "ada")
    visitor = send(enter().get(f"/admin/signal-sources/{source_id}/remove"))
    assert visitor.path == "/admin/signal-sources/"
    assert place.rows(SignalSource) == place.rows(ReceivedSignal) == []
    assert place.rows(RiskDetection)[0].state == "at_risk"
    assert visitor.get(f"/admin/signal-sources/{source_id}").status == 404


def test_a_transmitter_that_is_not_there_is_said(place: Place, enter: Enter) -> None:
    """C020: asking it for something is refused in words, and nothing is half done."""
    source_id = add(place)
    visitor = enter()
    for act in ("verify", "subscribe"):
        send(visitor.get(f"/admin/signal-sources/{source_id}/{act}"))
        assert visitor.status == 400
        assert (
            "We have nothing by which to prove there who we are." in visitor.text
            or "ssf-configuration" in visitor.text
        )
