"""The fixture, for pytest alone; nothing else here needs it."""

from collections.abc import Iterator

import pytest

from idprotect.testing.provider import Provider, running


@pytest.fixture(scope="session")
def idprotect_provider() -> Iterator[Provider]:
    """Run one provider for all tests, which make people and applications of their own."""
    with running() as provider:
        yield provider
