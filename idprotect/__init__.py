"""idprotect: an OpenID Connect server that judges every sign-in before a token goes out.

The public names: the stand-alone server, the extension with what tells it about a host's users, and the hook for
an authorization server that somebody already runs.
"""

from idprotect.app import create_app
from idprotect.errors import EvaluationError, InteractionError, TooManyAttempts
from idprotect.extension import IDProtect
from idprotect.hook import (
    continue_to,
    interrupt,
    is_signed_in,
    password_changed,
    sign_in,
    sign_in_failed,
    sign_out,
    verify_password,
)
from idprotect.hosts import HostUsers, SQLAlchemyUsers
from idprotect.version import __version__

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
    "sign_in",
    "sign_in_failed",
    "sign_out",
    "verify_password",
]
