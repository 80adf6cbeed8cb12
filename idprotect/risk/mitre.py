"""MITRE ATT&CK techniques that detections point to, for whoever files what is found beside other alerts. Pure.

A technique says what an attacker would be doing, never that there is one.
"""

from collections.abc import Mapping

#: Detection → technique of the enterprise matrix. What people or other systems report has none of its own.
TECHNIQUES: Mapping[str, str] = {
    "unfamiliar_sign_in": "T1078",  # Valid Accounts
    "impossible_travel": "T1078",
    "new_country": "T1078",
    "suspicious_browser": "T1078",
    "anonymous_ip": "T1090",  # Proxy
    "listed_ip": "T1090",
    "suspicious_ip": "T1110",  # Brute Force
    "failed_challenge": "T1110",
    "repeated_failures": "T1110.001",  # Password Guessing
    "password_spray": "T1110.003",  # Password Spraying
    "anomalous_token": "T1539",  # Steal Web Session Cookie
    "leaked_credentials": "T1589.001",  # Gather Victim Identity Information: Credentials
    "anomalous_admin_activity": "T1098",  # Account Manipulation
}
