"""The catalogue of what is looked for at each sign-in.

To add a detection: write a frozen dataclass with ``name`` and ``detect(signals)`` in a file of its own, and
add it here, or to ``IDPROTECT_DETECTIONS`` of a host application.
"""

from idprotect.risk.assessment import Detector
from idprotect.risk.detections.anonymous_ip import AnonymousIp
from idprotect.risk.detections.leaked_credentials import LeakedCredentials
from idprotect.risk.detections.listed_ip import ListedIp
from idprotect.risk.detections.repeated_failures import RepeatedFailures

DETECTIONS: tuple[Detector, ...] = (AnonymousIp(), ListedIp(), RepeatedFailures(), LeakedCredentials())
