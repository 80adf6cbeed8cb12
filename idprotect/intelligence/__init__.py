"""What is known about the world outside, kept in local files: places, networks, address lists, breached passwords.

Every kind of data answers one question and reports its own health. None of them asks the network. Data that
is missing answers None, *not evaluated*, because silence must never be counted as safety.
"""

from idprotect.intelligence.health import Health, State
from idprotect.intelligence.intelligence import Intelligence, MaxAges

__all__ = ["Health", "Intelligence", "MaxAges", "State"]
