"""idprotect: an OpenID Connect server that judges every sign-in before a token goes out.

The public names: the stand-alone server, the extension with what tells it about a host's users, and the hook for
an authorization server that somebody already runs. They are imported when they are asked for: what applications use
(:mod:`idprotect.resource_server`, :mod:`idprotect.signals_receiver`) comes without the server.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from idprotect.version import __version__

if TYPE_CHECKING:
    from idprotect.app import create_app
    from idprotect.errors import EvaluationError, InteractionError, TooManyAttempts
    from idprotect.extension import IDProtect
    from idprotect.hook import (
        continue_to,
        interrupt,
        is_signed_in,
        password_changed,
        require_acr,
        require_risk_below,
        sign_in,
        sign_in_failed,
        sign_out,
        verify_password,
    )
    from idprotect.hosts import HostUsers, SQLAlchemyUsers

__all__ = [
    "EvaluationError",
    "HostUsers",
    "IDProtect",
    "InteractionError",
    "SQLAlchemyUsers",
    "TooManyAttempts",
    "__version__",
    "continue_to",
    "create_app",
    "interrupt",
    "is_signed_in",
    "password_changed",
    "require_acr",
    "require_risk_below",
    "sign_in",
    "sign_in_failed",
    "sign_out",
    "verify_password",
]


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562)."""
    if name in __all__:
        for place in ("errors", "hosts", "hook", "extension", "app"):
            if hasattr(module := import_module(f"idprotect.{place}"), name):
                return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
