import pytest

from idprotect.risk import About, Finding, Profile, RiskLevel, Timing
from idprotect.risk.detections.repeated_failures import RepeatedFailures
from tests.risk.examples import AT, HOUR, ada, attempt, fail, signals, stranger


def failed(times: int, profile: Profile | None = None) -> Profile:
    """Return Ada's profile after a stranger failed so many times in the last minutes."""
    tries = (stranger(AT - 60 * (times - number)) for number in range(times))
    return fail(profile if profile is not None else ada(), *tries)


def test_the_sixth_attempt_being_right_is_found_with_the_count() -> None:
    """F012, F024: five failures, then a success; medium, about the sign-in."""
    finding = RepeatedFailures().detect(signals(stranger(), failed(5)))
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level) == ("repeated_failures", RiskLevel.MEDIUM)
    assert (finding.about, finding.timing) == (About.SIGN_IN, Timing.REAL_TIME)
    assert finding.reasons == ("5 failures in a row before this success (threshold 5)",)
    assert finding.evidence == {"failures": 5, "threshold": 5}


@pytest.mark.parametrize("failures", [0, 1, 4])
def test_a_few_typing_errors_are_not_suspicious(failures: int) -> None:
    assert RepeatedFailures().detect(signals(stranger(), failed(failures))) is None


@pytest.mark.parametrize("failures", [5, 16, 100])
def test_a_strangers_failures_do_not_flag_the_owner_at_home(failures: int) -> None:
    """Nobody can make Ada suspicious at home, or in her laptop anywhere, by failing on purpose."""
    profile = failed(failures)
    assert RepeatedFailures().detect(signals(attempt(), profile)) is None
    assert RepeatedFailures().detect(signals(attempt(address="203.0.113.5"), profile)) is None


def test_ones_own_five_failures_at_home_are_low() -> None:
    profile = fail(ada(), *(attempt(AT - 60 * number) for number in range(5, 0, -1)))
    finding = RepeatedFailures().detect(signals(attempt(), profile))
    assert isinstance(finding, Finding)
    assert finding.level is RiskLevel.LOW
    assert finding.evidence["failures"] == 5


def test_failures_before_the_last_success_are_over() -> None:
    profile = failed(5)
    profile.begin(attempt(), None, "a session")
    assert RepeatedFailures().detect(signals(stranger(AT + 60), profile)) is None


def test_old_failures_at_home_do_not_return_with_a_strangers() -> None:
    """Five of Ada's own before her last success, then two, while a stranger fails ten times: two count."""
    profile = fail(ada(until=AT - 2 * HOUR), *(attempt(AT - 3 * HOUR + number) for number in range(5)))
    profile.begin(attempt(AT - 2 * HOUR), None, "a session")
    failed(10, fail(profile, attempt(AT - HOUR), attempt(AT - HOUR + 1)))
    assert RepeatedFailures().detect(signals(attempt(), profile)) is None


def test_being_stopped_is_no_success_that_starts_the_count_anew() -> None:
    """The sixth guess is right and stopped; the next attempt is as suspicious."""
    profile = failed(5)
    profile.deny(stranger())
    assert isinstance(RepeatedFailures().detect(signals(stranger(AT + 60), profile)), Finding)


@pytest.mark.parametrize(("failures", "found"), [(2, False), (3, True), (100, True)])
def test_the_operator_chooses_how_many_failures_are_too_many(failures: int, found: bool) -> None:
    """F012, F025."""
    answer = RepeatedFailures(threshold=3).detect(signals(stranger(), failed(failures)))
    assert isinstance(answer, Finding) is found
