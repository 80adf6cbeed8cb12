"""``flask idprotect …``: everything an operator needs, also when nobody can sign in. Each command also speaks JSON."""

from idprotect.cli import clients, intelligence, policies, server, sign_ins, users
from idprotect.cli.base import idprotect

__all__ = ["clients", "idprotect", "intelligence", "policies", "server", "sign_ins", "users"]
