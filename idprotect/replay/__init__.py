"""Replay: the engine of the live path, run over a log of sign-ins with everything it learns kept in memory.

Below the command line and beside the server: no Flask, no database, no wall clock.
"""

from idprotect.replay.engine import Engine, Judged
from idprotect.replay.log import Came, Past, Replay, Tried
from idprotect.replay.world import World

__all__ = ["Came", "Engine", "Judged", "Past", "Replay", "Tried", "World"]
