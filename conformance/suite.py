"""What the suite's API is asked: plans, modules, logs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from conformance.certificate import Certificate

MODULE_SECONDS = 300
#: How long one question about a module's state may wait for the answer, as the suite limits it.
POLL_SECONDS = 30
#: The one module that does not start by itself.
ROTATION = "oidcc-server-rotate-keys"
ENDED = {"FINISHED", "INTERRUPTED"}


class SuiteError(Exception):
    """The suite did not do what it was asked."""


@dataclass(frozen=True)
class Remark:
    """A condition that did not simply hold."""

    result: str
    condition: str
    message: str


@dataclass(frozen=True)
class Module:
    """How one module of a plan ended, and how many of its conditions held."""

    name: str
    result: str
    successes: int
    remarks: list[Remark] = field(default_factory=list)


class Suite:
    """A suite that runs.

    :param folder: where the logs of modules are kept.
    """

    def __init__(self, url: str, tls: Certificate, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.http = requests.Session()
        self.http.trust_env = False  # or the environment's certificates and proxies would count instead
        self.http.verify = str(tls.certificate)

    def answers(self) -> bool:
        """Whether it has started."""
        try:
            return self.http.get(f"{self.url}/api/server", timeout=5).ok
        except requests.ConnectionError:
            return False

    def version(self) -> str:
        """Return the version and commit that it says it was built from."""
        about = self._ask("GET", "server")
        return f"{about['version']} ({about['revision']})"

    def create_plan(self, name: str, variant: Mapping[str, str], configuration: Any) -> dict[str, Any]:
        """Return a new plan: its ``id`` and ``modules``."""
        parameters = {"planName": name, "variant": json.dumps(variant)}
        created: dict[str, Any] = self._ask("POST", "plan", parameters, json=configuration)
        return created

    def run(self, plan_id: str, module: Mapping[str, Any], rotate_keys: Callable[[], None]) -> Module:
        """Run one module of a plan to its end.

        :param rotate_keys: what one module wants to be done between its two looks at the server's keys.
        """
        variant = json.dumps(module.get("variant") or {})
        parameters = {"test": module["testModule"], "plan": plan_id, "variant": variant}
        test_id = self._ask("POST", "runner", parameters)["id"]
        if module["testModule"] == ROTATION:
            self._wait(test_id, ENDED | {"CONFIGURED"})
            rotate_keys()
            self._ask("POST", f"runner/{test_id}")
        self._wait(test_id, ENDED)
        return self._ended(module["testModule"], test_id)

    def _wait(self, test_id: str, states: set[str]) -> str:
        deadline = time.monotonic() + MODULE_SECONDS
        parameters = {"states": ",".join(states), "timeoutMs": str(POLL_SECONDS * 1000)}
        while time.monotonic() < deadline:
            answer = self._ask("GET", f"runner/{test_id}/wait-state", parameters)
            if state := answer.get("state"):
                return str(state)
        self._ask("DELETE", f"runner/{test_id}")
        return "INTERRUPTED"

    def _ended(self, name: str, test_id: str) -> Module:
        result = self._ask("GET", f"info/{test_id}").get("result") or "UNKNOWN"
        log = self._ask("GET", f"log/{test_id}")
        (self.folder / f"{name}-{test_id}.json").write_text(json.dumps(log, indent=1))
        remarks = [
            Remark(entry["result"], entry["src"], entry.get("msg") or "")
            for entry in log
            if entry.get("result") in ("FAILURE", "WARNING", "SKIPPED")
        ]
        return Module(name, result, sum(entry.get("result") == "SUCCESS" for entry in log), remarks)

    def _ask(self, method: str, path: str, parameters: Mapping[str, str] | None = None, **rest: Any) -> Any:
        answer = self.http.request(
            method, f"{self.url}/api/{path}", params=parameters, timeout=2 * POLL_SECONDS, **rest
        )
        if not answer.ok:
            raise SuiteError(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer.json() if answer.content else None
