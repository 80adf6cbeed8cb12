"""The catalogue of what is looked for at each sign-in.

To add a detection: write a frozen dataclass with ``name`` and ``detect(signals)`` in a file of its own, and
add it here, or to ``IDPROTECT_DETECTIONS`` of a host application.
"""

from idprotect.risk.assessment import Detector
from idprotect.risk.detections.anomalous_token import AnomalousToken
from idprotect.risk.detections.anonymous_ip import AnonymousIp
from idprotect.risk.detections.impossible_travel import ImpossibleTravel
from idprotect.risk.detections.leaked_credentials import LeakedCredentials
from idprotect.risk.detections.listed_ip import ListedIp
from idprotect.risk.detections.new_country import NewCountry
from idprotect.risk.detections.password_spray import PasswordSpray
from idprotect.risk.detections.repeated_failures import RepeatedFailures
from idprotect.risk.detections.suspicious_browser import SuspiciousBrowser
from idprotect.risk.detections.suspicious_ip import SuspiciousIp
from idprotect.risk.detections.unfamiliar_sign_in import UnfamiliarSignIn

#: Asked at each sign-in with a password.
DETECTIONS: tuple[Detector, ...] = (
    UnfamiliarSignIn(),
    ImpossibleTravel(),
    NewCountry(),
    AnonymousIp(),
    ListedIp(),
    SuspiciousIp(),
    PasswordSpray(),
    RepeatedFailures(),
    SuspiciousBrowser(),
    LeakedCredentials(),
)

#: Asked when the cookie of a session turns up in another network or browser.
SESSION_DETECTIONS: tuple[Detector, ...] = (UnfamiliarSignIn(), AnomalousToken())

#: Asked of a wrong password, in replay only: failures make no detections, but a score tells how soon a campaign shows.
FAILURE_DETECTIONS: tuple[Detector, ...] = (UnfamiliarSignIn(),)
