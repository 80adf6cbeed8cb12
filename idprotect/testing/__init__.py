"""A provider for the tests of applications: a real one, over HTTP, whose people are at the risk that a test needs.

    with testing.running() as provider:
        ada = provider.person(second_factor=True)
        notes = provider.application(redirect_uris=("http://127.0.0.1:8001/callback",))
        ada.go(url)  # where the application sends her: she signs in, and is sent back with a code
        ada.set_risk("high")

With pytest: ``pytest_plugins = ["idprotect.testing.plugin"]`` and the fixture ``idprotect_provider``. The server never
imports this package.
"""

from idprotect.testing.http import serve
from idprotect.testing.people import Person, Stopped
from idprotect.testing.provider import POLICIES, Application, Provider, running

__all__ = ["POLICIES", "Application", "Person", "Provider", "Stopped", "running", "serve"]
