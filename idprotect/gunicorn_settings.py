"""How gunicorn runs the server: ``gunicorn --config python:idprotect.gunicorn_settings 'idprotect:create_app()'``.

Options on the command line win. Workers share the memory of the application that was loaded before them.
"""

import ctypes
import gc
from contextlib import suppress
from typing import Any

from sqlalchemy.orm import configure_mappers

from idprotect import user_agents

workers = 2
worker_class = "gthread"
threads = 4
keepalive = 5
preload_app = True

_M_ARENA_MAX = -8  # of glibc's malloc.h


def when_ready(_server: Any) -> None:
    """Prepare the loaded application for being shared, before the first worker is made."""
    with suppress(OSError, AttributeError):  # another C library
        # A password's hash takes 19 MiB and more, which each arena keeps: one is enough for what Python does at once.
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)
    # Both are made at their first use, which would be in each worker; the rules by which browsers are told take 25 MiB.
    configure_mappers()
    user_agents.read("Mozilla/5.0")
    gc.collect()
    gc.freeze()  # else the collector writes to each object, and so makes a copy of its page in each worker
