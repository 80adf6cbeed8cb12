"""What an address list means: told in the setting, or by its name in a folder."""

from pathlib import Path

import pytest

from idprotect.errors import ConfigurationError
from idprotect.intelligence.sources import ListSource, Meaning, from_setting, in_folder, levels
from idprotect.risk import RiskLevel
from idprotect.settings import load


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("anonymous", "/tor.txt", ListSource("anonymous", Path("/tor.txt"), Meaning.ANONYMOUS)),
        ("hosting", "/h.txt", ListSource("hosting", Path("/h.txt"), Meaning.HOSTING)),
        ("tor", "/tor.txt@anonymous", ListSource("tor", Path("/tor.txt"), Meaning.ANONYMOUS)),
        ("carriers", "asns.txt@mobile", ListSource("carriers", Path("asns.txt"), Meaning.MOBILE)),
        ("botnet", "/b.txt", ListSource("botnet", Path("/b.txt"), Meaning.LISTED, RiskLevel.LOW)),
        ("botnet", "/b.txt@medium", ListSource("botnet", Path("/b.txt"), Meaning.LISTED, RiskLevel.MEDIUM)),
        ("drop", "/a@b/c.txt@high", ListSource("drop", Path("/a@b/c.txt"), Meaning.LISTED, RiskLevel.HIGH)),
        ("mobile", "/m.txt@low", ListSource("mobile", Path("/m.txt"), Meaning.LISTED, RiskLevel.LOW)),
    ],
)
def test_a_list_means_what_stands_after_the_at_sign_or_its_name(
    name: str, text: str, expected: ListSource
) -> None:
    """F025: `anonymous=/path` keeps its meaning; any other list has a level of its own."""
    assert from_setting({name: text}) == (expected,)
    assert from_setting(dict([expected.setting.split("=", 1)])) == (expected,)


@pytest.mark.parametrize(
    ("lists", "reason"),
    [
        (
            "botnet=/b.txt@medum",
            "'medum', which follows the last @, is none of anonymous, hosting, mobile, low",
        ),
        ("botnet=/b.txt@none", "'none'"),
        ("botnet=/home/a@b/c.txt", "'b/c.txt'"),
        ("botnet=", "no name or no path"),
        ("=/b.txt", "no name or no path"),
        ("botnet=@high", "no name or no path"),
    ],
)
def test_a_typing_mistake_is_an_error_when_the_server_starts(lists: str, reason: str) -> None:
    """A list that means something else than the operator thinks would protect nobody."""
    with pytest.raises(ConfigurationError, match=f"IDPROTECT_ADDRESS_LISTS: .*{reason}"):
        load({"IDPROTECT_ISSUER": "https://id.example.org", "IDPROTECT_ADDRESS_LISTS": lists}, {})


def test_a_folder_tells_by_its_names(tmp_path: Path) -> None:
    for name in (
        "tor_exits",
        "anonymous_proxies",
        "hosting_ranges",
        "hosting_asns",
        "mobile_asns",
        "abuse_ips",
    ):
        (tmp_path / f"{name}.txt").touch()
    (tmp_path / "README.md").touch()
    assert {source.name: str(source.meaning) for source in in_folder(tmp_path)} == {
        "tor_exits": "anonymous",
        "anonymous_proxies": "anonymous",
        "hosting_ranges": "hosting",
        "hosting_asns": "hosting",
        "mobile_asns": "mobile",
        "abuse_ips": "listed",
    }
    assert levels(in_folder(tmp_path)) == {"abuse_ips": RiskLevel.LOW}


def test_a_folder_that_is_not_there_has_no_lists(tmp_path: Path) -> None:
    assert in_folder(tmp_path / "none") == ()
