"""Ada, who signs in from Oslo with her laptop, and everybody else who has her password."""

from dataclasses import replace
from typing import Any

from idprotect.risk import Attempt, Browser, Counts, Kind, Learning, Location, Network, Profile, Signals
from idprotect.risk.profile import DAY

#: 2026-03-01 12:00 UTC.
AT = 1772366400.0
HOUR = 3600.0

OSLO = Location("NO", "Oslo", 59.9139, 10.7522, 10.0)
BERGEN = Location("NO", "Bergen", 60.3913, 5.3221, 10.0)
LONDON = Location("GB", "London", 51.5074, -0.1278, 10.0)
SYDNEY = Location("AU", "Sydney", -33.8688, 151.2093, 10.0)

HOME = "192.0.2.7"
AWAY = "198.51.100.9"
LAPTOP = "ada's laptop"
FIREFOX = Browser("firefox 140 on linux", "Firefox", 140, "Linux", "desktop")
CHROME = Browser("chrome 150 on windows", "Chrome", 150, "Windows", "desktop", hints=True)
CURL = Browser("curl", "curl", 8, "", "tool")

LEARNING = Learning()


def attempt(
    at: float = AT,
    *,
    address: str | None = HOME,
    place: Location | None = OSLO,
    asn: int | None = 64500,
    device: str | None = LAPTOP,
    browser: Browser = FIREFOX,
    password_ok: bool | None = True,
    network: dict[str, Any] | None = None,
    **more: Any,
) -> Attempt:
    """Return an attempt at Ada's account; what is not said is as at her home.

    :param network: what the operator's data say of the address besides place and system.
    """
    told = {"organisation": "Fjord Broadband", "anonymous": False, "hosting": False, "mobile": False}
    there = Network(address, asn, location=place, **{**told, **(network or {})}) if address else None
    known = {"user": "ada", "kind": Kind.PASSWORD, **more}
    pseudonyms = {"site": there.site, "block": there.block} if there else {}
    return Attempt(
        at, network=there, browser=browser, device=device, password_ok=password_ok, **pseudonyms, **known
    )


def stranger(at: float = AT, **more: Any) -> Attempt:
    """Return an attempt from another provider in London, with another browser and none of our cookies."""
    elsewhere = {"address": AWAY, "place": LONDON, "asn": 64511, "device": None, "browser": CHROME}
    return attempt(at, **{**elsewhere, **more})


def ada(sign_ins: int = 20, *, until: float = AT - DAY, every: float = DAY) -> Profile:
    """Return what was learnt of Ada from so many sign-ins at home, in her laptop."""
    profile = Profile()
    for number in range(sign_ins - 1, -1, -1):
        device = LAPTOP if profile.learnt else None
        profile.learn(attempt(until - number * every, device=device), LEARNING, LAPTOP, None)
    return profile


def signals(
    presented: Attempt | None = None,
    profile: Profile | None = None,
    counts: Counts | None = None,
    **known: Any,
) -> Signals:
    """Return the signals of an attempt; of Ada at home, where nothing else is said."""
    return Signals.of(
        presented if presented is not None else attempt(),
        profile if profile is not None else ada(),
        counts or {},
        **known,
    )


def fail(profile: Profile, *attempts: Attempt) -> Profile:
    """Let wrong passwords be counted."""
    for failed in attempts:
        profile.fail(replace(failed, password_ok=False))
    return profile
