"""``flask idprotect …``: everything an operator needs, also when nobody can sign in. Each command also speaks JSON."""

from idprotect.cli import (
    audit,
    clients,
    conformance,
    detection_preview,
    detections,
    initial_access,
    insights,
    intelligence,
    logouts,
    policies,
    proxy,
    replay,
    server,
    sign_ins,
    simulation,
    user_risk,
    users,
)
from idprotect.cli.base import idprotect

__all__ = [
    "audit",
    "clients",
    "conformance",
    "detection_preview",
    "detections",
    "idprotect",
    "initial_access",
    "insights",
    "intelligence",
    "logouts",
    "policies",
    "proxy",
    "replay",
    "server",
    "sign_ins",
    "simulation",
    "user_risk",
    "users",
]
