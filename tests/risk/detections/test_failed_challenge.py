from idprotect.risk import About, RiskLevel, Timing
from idprotect.risk.detections.failed_challenge import failed_challenge


def test_a_second_factor_that_was_not_given_is_medium_with_the_number_of_tries() -> None:
    """F024: about the sign-in, found after it was judged."""
    finding = failed_challenge(5)
    assert (finding.name, finding.level) == ("failed_challenge", RiskLevel.MEDIUM)
    assert (finding.about, finding.timing) == (About.SIGN_IN, Timing.OFFLINE)
    assert finding.reasons == ("the second factor that this risky sign-in was asked for failed 5 times",)
    assert finding.evidence == {"tries": 5}
