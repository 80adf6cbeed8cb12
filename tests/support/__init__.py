"""What the tests stand on and is no test: a private PostgreSQL, a browser, servers on a loopback port."""

import os
from pathlib import Path
from typing import NoReturn

import pytest

pytest.register_assert_rewrite(f"{__name__}.browser", f"{__name__}.postgres")

#: The checkout.
PROJECT = Path(__file__).resolve().parents[2]


def unavailable(reason: str) -> NoReturn:
    """Skip the test that needs what this machine lacks; where `CI=true` everything has to run, so fail it."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(f"CI must not skip this: {reason}", pytrace=False)
    pytest.skip(reason)
