"""Two servers: what the one finds out about a person raises risk at the other, and nothing goes round in circles."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from idprotect import event_types, protection
from idprotect.event_types import CREDENTIAL_CHANGE_REQUIRED, RISK_LEVEL_CHANGE, SESSION_REVOKED
from idprotect.models import ReceivedSignal, SignalSource, User, session
from idprotect.signal_sources import polling, sources, transmitter
from idprotect.signal_sources.sources import Wanted
from idprotect.testing import Person, Provider, running
from tests.signal_sources.conftest import detections_of, risk_of
from tests.signal_sources.test_receiving import is_signed_in, sign_in

CALLBACK = "https://app.example/callback"
TOLD = (RISK_LEVEL_CHANGE, CREDENTIAL_CHANGE_REQUIRED, SESSION_REVOKED)
RECOVERY_POLICY = """
[[policy]]
name = "user-risk"
state = "on"
when = { user_risk = ["medium", "high"] }
then = { require = ["mfa", "password_change"] }
"""


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Provider, Provider]]:
    """Run two servers."""
    with running(RECOVERY_POLICY) as above, running(RECOVERY_POLICY) as below:
        yield above, below


@dataclass
class Link:
    """One server listens to another: as an application there, as a source here."""

    above: Provider
    below: Provider
    client_id: str
    source_id: str
    secret: str

    def know(self, there: Person, here: Person) -> None:
        """Let a person sign in above to the application that the server below is, and be known below."""
        sign_in(self.above, self.client_id, there)
        tokens_of(self.above, self.client_id, self.secret, there)
        with self.below.arranging():
            user = session().get_one(User, here.id)
            sources.map_subjects(self.source, [(there.id, user)], "test")

    @property
    def source(self) -> SignalSource:
        """The source, in the context of the server below."""
        return session().get_one(SignalSource, self.source_id)

    def carry(self) -> None:
        """Let what waits above arrive below."""
        self.above.deliver()
        with self.below.arranging():
            if self.source.is_polled:
                polling.poll(self.source)

    def outcomes(self) -> list[tuple[str, str]]:
        """Return short type and outcome of what arrived."""
        with self.below.app.app_context():
            rows = session().query(ReceivedSignal).filter_by(source_id=self.source_id)
            rows = rows.order_by(ReceivedSignal.received_at).all()
            return [(event_types.short(row.event_type), row.outcome) for row in rows]


def tokens_of(provider: Provider, client_id: str, secret: str, person: Person) -> None:
    """Let an application get tokens of a person."""
    left = sign_in(provider, client_id, person)
    code = parse_qs(urlsplit(left).query)["code"][0]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    }
    answer = requests.post(f"{provider.issuer}/token", data=form, auth=(client_id, secret), timeout=10)
    assert answer.status_code == 200, answer.text


def link(
    above: Provider, below: Provider, *, polled: bool = False, application_id: str | None = None
) -> Link:
    """Let one server listen to another, and make its stream there."""
    application = above.application(
        redirect_uris=(CALLBACK,),
        grant_types=("authorization_code", "refresh_token", "client_credentials"),
        scope="openid offline_access idprotect:signals",
        release_risk=True,
    )
    wanted = Wanted(
        name=f"above{application.client_id[:8]}",
        issuer=above.issuer,
        audience=application.client_id,
        jwks_uri=f"{above.issuer}/jwks",
        events=TOLD,
        token_url=f"{above.issuer}/token",
        client_id=application.client_id,
        poll_url=f"{above.issuer}/ssf/poll" if polled else None,
        application_id=application_id,
    )
    with below.arranging():
        source, _ = sources.add(wanted, "test", secret=application.client_secret)
        source_id = source.id
        transmitter.subscribe(source, "test")
    return Link(above, below, application.client_id, source_id, application.client_secret or "")


@pytest.mark.parametrize("polled", [False, True], ids=["push", "poll"])
def test_a_compromise_above_interrupts_below_until_recovery(
    pair: tuple[Provider, Provider], polled: bool
) -> None:
    """C020: confirmed compromised at A, risk at B, the sign-in at B's application is interrupted, then recovery."""
    above, below = pair
    joint = link(above, below, polled=polled)
    there, here = above.person(), below.person(second_factor=True)
    joint.know(there, here)
    application = below.application(redirect_uris=(CALLBACK,))
    sign_in(below, application.client_id, here)
    assert is_signed_in(here)

    there.act(protection.confirm_compromised, "an administrator above", "phished")
    joint.carry()

    assert ("risk-level-change", "raised") in joint.outcomes()
    assert risk_of(here) == "high"
    assert not is_signed_in(here), "session-revoked ends the sessions here, too"
    old_password = here.password
    left = sign_in(below, application.client_id, here)
    assert "code" in parse_qs(urlsplit(left).query)
    assert here.password != old_password, "the way back led over a new password"
    assert risk_of(here) == "none"
    assert {row.state for row in detections_of(here)} == {"remediated"}
    if polled:
        with below.arranging():
            assert polling.poll(joint.source) == 0, "what was taken was acknowledged"


def test_what_was_taken_is_told_on_but_not_back(pair: tuple[Provider, Provider]) -> None:
    """C020: two servers that listen to each other: no event goes back to where it came from, nor round."""
    above, below = pair
    down = link(above, below)
    up = link(below, above, application_id=down.client_id)
    with below.arranging():
        session().get_one(SignalSource, down.source_id).application_id = up.client_id
    there, here = above.person(), below.person()
    down.know(there, here)
    up.know(here, there)

    there.set_risk("high")
    for _ in range(4):
        down.carry()
        up.carry()

    assert [outcome for outcome in down.outcomes() if outcome[1] == "raised"] == [
        ("risk-level-change", "raised")
    ]
    assert up.outcomes() == [], "nothing was told back"
    assert len(detections_of(there)) == 1
    assert risk_of(here) == "high"


def test_an_echo_has_no_effect(pair: tuple[Provider, Provider]) -> None:
    """C020: whoever does not know that both are one tells back, under the same txn (RFC 8417), and nothing comes of it."""
    above, below = pair
    down = link(above, below, polled=True)
    up = link(below, above, polled=True)
    there, here = above.person(), below.person()
    down.know(there, here)
    up.know(here, there)

    there.set_risk("high")
    for _ in range(4):
        down.carry()
        up.carry()

    assert ("risk-level-change", "raised") in down.outcomes()
    assert up.outcomes() == [("risk-level-change", "echo")]
    assert len(detections_of(there)) == 1
    there.set_risk("none")
    for _ in range(3):
        down.carry()
        up.carry()
    assert risk_of(there) == "none"
    assert risk_of(here) == "high", "what fell there did not fall here"


def test_a_verification_comes_back(pair: tuple[Provider, Provider]) -> None:
    """C020: SSF 8.1.4: asked for, it arrives with its state, and the source is verified."""
    above, below = pair
    for polled in (False, True):
        joint = link(above, below, polled=polled)
        with below.arranging():
            assert joint.source.verified_at is None
            transmitter.ask_for_verification(joint.source, "test")
            assert transmitter.status_of(joint.source) == "enabled"
        joint.carry()
        with below.app.app_context():
            assert joint.source.verified_at is not None
            assert joint.source.verification_state is None
        assert joint.outcomes() == [("verification", "verification")]


def test_a_transmitter_that_does_not_answer_is_asked_ever_more_seldom(
    pair: tuple[Provider, Provider],
) -> None:
    """C020: backoff; the page says what went wrong; it goes on by itself."""
    above, below = pair
    joint = link(above, below, polled=True)
    with below.arranging():
        right = joint.source.poll_url
        joint.source.poll_url = f"{above.issuer}/nowhere"
    waits = []
    for _ in range(5):
        with below.arranging():
            polling.poll(joint.source)
            assert joint.source.poll_due_at is not None
            assert joint.source.failed_at is not None
            waits.append(round((joint.source.poll_due_at - joint.source.failed_at).total_seconds()))
            assert "404" in joint.source.failed_why
    assert waits == [60, 300, 900, 3600, 3600]
    with below.arranging():
        joint.source.poll_url = right
        polling.poll(joint.source)
        assert joint.source.poll_failures == 0


def test_a_worker_polls_what_is_due(pair: tuple[Provider, Provider]) -> None:
    """C020: the worker that does the periodic work asks, one of several, and again after half a minute."""
    above, below = pair
    joint = link(above, below, polled=True)
    there, here = above.person(), below.person()
    joint.know(there, here)
    there.set_risk("high")
    with below.later(seconds=40):
        below.deliver()
    assert risk_of(here) == "high"
