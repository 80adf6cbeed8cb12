"""The logs and their scorer, which are not part of this repository: a folder is given."""

import hashlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

#: Share of legitimate sign-ins that may be challenged.
CHALLENGE_RATES = (0.01, 0.05, 0.1)


def scorer(folder: Path) -> ModuleType:
    """Load ``score.py`` of a folder of logs; it drives an engine through a log, and measures what it said."""
    spec = importlib.util.spec_from_file_location("score", folder / "score.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{folder} has no score.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.FPRS = CHALLENGE_RATES  # type: ignore[attr-defined]
    return module


def logs(folder: Path) -> list[Path]:
    """Return the logs in a folder, by name."""
    found = sorted(path.parent for path in folder.glob("*/events.jsonl.gz"))
    if not found:
        raise SystemExit(f"{folder} has no logs (*/events.jsonl.gz)")
    return found


def fingerprint(log: Path) -> str:
    """Return what tells one log from another."""
    return hashlib.sha256((log / "events.jsonl.gz").read_bytes()).hexdigest()[:12]


def hello(log: Path, dataset: Any) -> dict[str, Any]:
    """Return the first message of the protocol for a log."""
    files = {"city_mmdb": log / "city.mmdb", "asn_mmdb": log / "asn.mmdb", "lists": log / "lists"}
    said = {name: str(path.resolve()) for name, path in files.items()}
    return {"type": "hello", "protocol": 1, "start": dataset.events[0]["ts"]} | said
