import pytest

from idprotect.risk import About, Count, Finding, NotEvaluated, RiskLevel
from idprotect.risk.detections.suspicious_ip import SuspiciousIp
from tests.risk.examples import AT, attempt, signals, stranger

THERE = stranger()


def after(failures: float, accounts: float) -> dict[tuple[str, str], Count]:
    """Return so many wrong passwords for so many accounts, from the stranger's address just now."""
    return {("site", THERE.site): Count(AT, burst=failures, burst_accounts=accounts)}


def test_a_success_where_twelve_passwords_for_five_accounts_were_wrong_is_medium() -> None:
    """F010, F024."""
    finding = SuspiciousIp().detect(signals(THERE, counts=after(12, 5)))
    assert isinstance(finding, Finding)
    assert (finding.name, finding.level, finding.about) == ("suspicious_ip", RiskLevel.MEDIUM, About.SIGN_IN)
    assert finding.reasons == (
        "about 12 wrong passwords for 5 accounts came from 198.51.100.9 in the last hours",
    )
    assert finding.evidence == {"failures": 12, "accounts": 5}


@pytest.mark.parametrize(
    ("failures", "accounts", "found"), [(8, 3, True), (7.4, 3, False), (500, 2.4, False), (0, 0, False)]
)
def test_it_takes_eight_failures_over_three_accounts(failures: float, accounts: float, found: bool) -> None:
    """One person who forgot a password is not many accounts; three who mistype once are not many failures."""
    assert (
        isinstance(SuspiciousIp().detect(signals(THERE, counts=after(failures, accounts))), Finding) is found
    )


@pytest.mark.parametrize(("hours", "found"), [(0, True), (1, True), (2, False)])
def test_it_fades_by_half_every_hour(hours: float, found: bool) -> None:
    """Sixteen failures for eight accounts: eight for four after an hour, too few after two."""
    count = Count(AT - hours * 3600, burst=16, burst_accounts=8)
    count.move_to(AT)
    assert (
        isinstance(SuspiciousIp().detect(signals(THERE, counts={("site", THERE.site): count})), Finding)
        is found
    )


def test_who_is_at_home_there_is_spared() -> None:
    """An attacker in the same office does not make Ada suspicious; without her browser she would be."""
    counts = {("site", attempt().site): Count(AT, burst=100, burst_accounts=50)}
    assert SuspiciousIp().detect(signals(attempt(), counts=counts)) is None
    assert isinstance(SuspiciousIp().detect(signals(attempt(device=None), counts=counts)), Finding)


def test_the_failures_of_a_whole_ipv6_network_count_together() -> None:
    """An attacker has 2^64 addresses in one /64."""
    one, other = stranger(address="2001:db8:1:2::a"), stranger(address="2001:db8:1:2:ffff::b")
    counts = {("site", one.site): Count(AT, burst=9, burst_accounts=9)}
    finding = SuspiciousIp().detect(signals(other, counts=counts))
    assert isinstance(finding, Finding)
    assert "2001:db8:1:2:ffff::b" in finding.reasons[0]


def test_without_an_address_nobody_looked() -> None:
    """D16."""
    answer = SuspiciousIp().detect(signals(attempt(address=None)))
    assert answer == NotEvaluated("the address is not known")


def test_the_operator_chooses_both_thresholds() -> None:
    """F025."""
    lenient = SuspiciousIp(level=RiskLevel.HIGH, failures=2, accounts=1)
    finding = lenient.detect(signals(THERE, counts=after(2, 1)))
    assert isinstance(finding, Finding)
    assert finding.level is RiskLevel.HIGH
