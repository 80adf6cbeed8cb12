"""Evidence about the browser: whether it holds one of our cookies, and whether it looks like those of the user."""

from math import log1p

from idprotect.risk.attempt import Attempt
from idprotect.risk.evidence.network import Familiarity, is_new_hosting, travel
from idprotect.risk.profile import Device, Profile, hardware


def known_device(attempt: Attempt, profile: Profile, device: Device, where: Familiarity) -> dict[str, float]:
    """Return what a known device cookie is worth: much at home, little where it turns up far from there."""
    browser, network = attempt.browser, attempt.network
    found: dict[str, float] = {
        "device_often": min(3.0, log1p(device.count)),
        "device_system": device.name != browser.name or device.kind != browser.kind,
        "device_downgrade": is_downgrade(device, attempt),
        "device_hints_gone": hints_are_gone(device, attempt),
    }
    if where.is_elsewhere:
        found["device_elsewhere"] = 1.0
        found["device_hosting"] = is_new_hosting(attempt, profile)
        found["device_mobile"] = network is not None and bool(network.mobile)
        found |= travel(attempt, device.point, "device_travel")
    return found


def no_device(attempt: Attempt, profile: Profile, known: float, where: Familiarity) -> dict[str, float]:
    """Return what it means that there is no known cookie, by what else is new.

    :param known: how well the user is known, 0 to 1.
    """
    network = attempt.network
    is_near = where in (Familiarity.BLOCK, Familiarity.PLACE)
    is_mobile = network is not None and bool(network.mobile)
    is_own_browser = bool(profile.times("exact", attempt.browser.exact, attempt.at))
    return {
        "device_missing": (profile.with_device + 1) / (profile.learnt + 3) * min(1.0, profile.learnt / 3),
        "stranger_near": known * (is_near and not is_mobile),
        "stranger_elsewhere": known * where.is_elsewhere,
        "stranger_abroad": known * (where is Familiarity.NEW),
        "stranger_hosting": known * is_new_hosting(attempt, profile),
        **_other_hardware(attempt, profile, known, is_own_browser),
    }


def browser(attempt: Attempt, profile: Profile, known: float) -> dict[str, float]:
    """Return how the claimed browser fits those that the user is known for."""
    claimed, now = attempt.browser, attempt.at
    if profile.times("exact", claimed.exact, now):
        return {}
    found: dict[str, float] = {"browser_tool": claimed.kind == "tool"}
    if profile.times("browser", claimed.name, now):
        newest = max((d.version or 0 for d in profile.devices.values() if d.name == claimed.name), default=0)
        found["browser_older" if (claimed.version or 0) < newest else "browser_updated"] = known
    return found


def is_downgrade(device: Device, attempt: Attempt) -> bool:
    """Whether the same browser comes in an older version: browsers update themselves, copies of them do not."""
    is_same = device.name == attempt.browser.name
    versions = device.version, attempt.browser.version
    return is_same and None not in versions and versions[1] < versions[0]  # type: ignore[operator]


def hints_are_gone(device: Device, attempt: Attempt) -> bool:
    """Whether a browser that sent client hints, and still could, sends none any more."""
    return attempt.browser.hints and device.platform_version is not None and attempt.platform_version is None


def _other_hardware(
    attempt: Attempt, profile: Profile, known: float, is_own_browser: bool
) -> dict[str, float]:
    if attempt.platform_version is None or not profile.with_hints:
        return {}
    if profile.times("hardware", hardware(attempt), attempt.at):
        return {}
    return {"hardware_new": known, "hardware_other": known * is_own_browser}
