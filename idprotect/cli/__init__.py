"""``flask idprotect …``: everything an operator needs, also when nobody can sign in. Each command also speaks JSON."""

from idprotect.cli import clients, policies, server, sign_ins, users
from idprotect.cli.base import idprotect

__all__ = ["clients", "idprotect", "policies", "server", "sign_ins", "users"]
