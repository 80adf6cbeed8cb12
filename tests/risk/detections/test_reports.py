from idprotect.risk import About, RiskLevel, Timing
from idprotect.risk.detections.reports import admin_confirmed, user_reported


def test_this_was_not_me_makes_the_user_high_at_once() -> None:
    """F017: it says what the owner was asked about."""
    finding = user_reported("a sign-in on 1 March")
    assert (finding.name, finding.level) == ("user_reported", RiskLevel.HIGH)
    assert (finding.about, finding.timing) == (About.USER, Timing.REAL_TIME)
    assert "a sign-in on 1 March" in finding.reasons[0]


def test_a_confirmed_compromise_names_the_administrator_and_the_note() -> None:
    """F018: offline, high, about the user."""
    finding = admin_confirmed("grace", "called by the bank")
    assert (finding.name, finding.level) == ("admin_confirmed", RiskLevel.HIGH)
    assert (finding.about, finding.timing) == (About.USER, Timing.OFFLINE)
    assert finding.reasons == ("grace confirmed that the user is compromised: called by the bank",)
    assert finding.evidence == {"by": "grace", "note": "called by the bank"}


def test_a_confirmation_without_a_note_is_a_whole_sentence() -> None:
    assert admin_confirmed("grace", "").reasons == ("grace confirmed that the user is compromised",)
