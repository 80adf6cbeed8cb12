"""What each piece of evidence weighs. The numbers come from ``python -m bench.risk_fit``; the signs are fixed there."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weight:
    """What one unit of a piece of evidence weighs.

    :param nats: log-odds, positive for risk.
    :param means: what it says, for administrators.
    :param part_of: the detection that says the same by a rule; where that is raised, only the rule counts.
    :param is_absolute: it does not rest on the user's habits. While the user is learnt, unfamiliarity alone
        says nothing.
    """

    nats: float
    means: str
    part_of: str = ""
    is_absolute: bool = False


def _of_session(nats: float, means: str, *, is_absolute: bool = False) -> Weight:
    return Weight(nats, means, "anomalous_token", is_absolute)


WEIGHTS: Mapping[str, Weight] = {
    "net_site": Weight(-1.03, "an address that the user is known at"),
    "net_block": Weight(-1.97, "near an address that the user is known at"),
    "net_asn": Weight(1.0, "elsewhere, on a provider of the user's"),
    "net_country": Weight(0.97, "an unknown network in a country of the user's"),
    "net_new": Weight(0.37, "an unknown network in a country new to the user", "new_country"),
    "young": Weight(0.27, "little is known of the user"),
    "anonymous": Weight(0.91, "an anonymiser", "anonymous_ip", is_absolute=True),
    "hosting": Weight(0.92, "a data centre, and the user was never seen in one", is_absolute=True),
    "hosting_used": Weight(0.35, "a data centre", is_absolute=True),
    "listed": Weight(0.5, "on one of the operator's lists", "listed_ip", is_absolute=True),
    "mobile_new": Weight(-1.23, "a mobile carrier, whose customers move"),
    "device_often": Weight(-0.98, "a known device, by how often it was used"),
    "device_system": Weight(
        0.5, "a known device's cookie in another browser or operating system", is_absolute=True
    ),
    "device_downgrade": Weight(1.0, "a known device's cookie in an older browser", is_absolute=True),
    "device_hints_gone": Weight(
        2.99, "a known device's cookie, without the client hints it used to send", is_absolute=True
    ),
    "device_elsewhere": Weight(1.64, "a known device in an unknown network"),
    "device_hosting": Weight(1.1, "a known device in a data centre for the first time"),
    "device_mobile": Weight(-2.85, "a known device on a mobile network"),
    "device_travel": Weight(
        0.28, "the device was elsewhere a short time ago", "impossible_travel", is_absolute=True
    ),
    "device_travel_soft": Weight(
        0.68,
        "the device was elsewhere a short time ago, as far as such networks tell",
        "impossible_travel",
        is_absolute=True,
    ),
    "device_missing": Weight(0.5, "no known device, though the user usually comes with one"),
    "stranger_near": Weight(1.99, "no known device, in the usual area but at another address"),
    "stranger_elsewhere": Weight(1.86, "no known device, in an unknown network"),
    "stranger_abroad": Weight(1.35, "no known device, in a new country", "new_country"),
    "stranger_hosting": Weight(1.28, "no known device, in a data centre"),
    "hardware_new": Weight(0.29, "a machine that the user is not known to have"),
    "hardware_other": Weight(2.29, "the user's very browser on another machine"),
    "browser_tool": Weight(0.76, "a program that the user never used", is_absolute=True),
    "browser_older": Weight(1.73, "an older version of the user's browser"),
    "browser_updated": Weight(-0.35, "a newer version of the user's browser"),
    "travel": Weight(1.15, "too fast from the last sign-in", "impossible_travel", is_absolute=True),
    "travel_soft": Weight(
        0.64,
        "fast from the last sign-in, as far as such networks tell",
        "impossible_travel",
        is_absolute=True,
    ),
    "travel_known": Weight(
        0.41, "too fast from the last sign-in, with a known device", "impossible_travel", is_absolute=True
    ),
    "country_rare": Weight(1.36, "a country that hardly anybody here signs in from", "new_country"),
    "site_shared": Weight(-3.0, "an address that other users are known at"),
    "failed_here": Weight(-1.1, "wrong passwords at this address just before, as happens to everyone"),
    "failed_elsewhere": Weight(
        1.35, "wrong passwords from other addresses within the hour", "repeated_failures", is_absolute=True
    ),
    "failed_strange": Weight(
        0.13, "wrong passwords from unknown networks this week", "repeated_failures", is_absolute=True
    ),
    "denied": Weight(0.18, "stopped sign-ins this week", is_absolute=True),
    "compromised": Weight(0.15, "a compromise confirmed this month", is_absolute=True),
    "site_surge": Weight(0.62, "many accounts fail from this address", "password_spray", is_absolute=True),
    "asn_surge": Weight(0.64, "many accounts fail from this network", "password_spray", is_absolute=True),
    "browser_surge": Weight(0.34, "many accounts fail with this browser", "password_spray", is_absolute=True),
    "hour": Weight(0.72, "an unusual hour for the user"),
    "slow": Weight(1.2, "a slower network than usual"),
    "session_same_site": _of_session(-1.54, "the session stays where it was"),
    "session_net_site": _of_session(-3.31, "the session came to an address that the user is known at"),
    "session_net_block": _of_session(-1.5, "the session moved near an address that the user is known at"),
    "session_net_asn": _of_session(0.42, "the session moved on a provider of the user's"),
    "session_net_country": _of_session(
        0.59, "the session moved to an unknown network in a country of the user's"
    ),
    "session_net_new": _of_session(0.97, "the session moved to a country new to the user"),
    "session_anonymous": _of_session(0.5, "the session moved to an anonymiser", is_absolute=True),
    "session_hosting": _of_session(
        2.22, "the session moved to a data centre, and the user was never seen in one", is_absolute=True
    ),
    "session_hosting_used": _of_session(1.02, "the session moved to a data centre"),
    "session_mobile_new": _of_session(-2.45, "the session moved to a mobile carrier"),
    "session_asn_rare": _of_session(0.9, "the session moved to a network that hardly anybody here uses"),
    "session_country_rare": _of_session(
        0.65, "the session moved to a country that hardly anybody here signs in from", is_absolute=True
    ),
    "session_site_shared": _of_session(
        -1.64, "the session moved to an address that other users are known at"
    ),
    "session_asn_surge": _of_session(
        0.39, "many accounts fail from the network that the session moved to", is_absolute=True
    ),
    "session_slow": _of_session(1.31, "a slower network than usual"),
    "session_travel": _of_session(1.91, "the session moved too fast", is_absolute=True),
    "session_system": _of_session(3.69, "the session came to another operating system", is_absolute=True),
    "session_family": _of_session(1.25, "the session came to another browser", is_absolute=True),
    "session_downgrade": _of_session(1.2, "the session came to an older browser", is_absolute=True),
    "session_model": _of_session(1.4, "the session came to another model of device", is_absolute=True),
    "session_hints_gone": _of_session(
        3.46, "the client hints that the session used to send are gone", is_absolute=True
    ),
    "session_cookie_gone": _of_session(0.5, "the session without its device cookie", is_absolute=True),
}
