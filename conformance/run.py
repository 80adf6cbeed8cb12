"""Runs plans of the conformance suite against idprotect: ``python -m conformance.run --jar … --mongodb …``."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from conformance import certificate, suite_server
from conformance.certificate import Certificate
from conformance.plans import ALIAS, PLANS, Plan
from conformance.provider import Provider
from conformance.suite import Module, Suite

RESULTS = Path(__file__).with_name("results.json")
#: How a module may end; a picture of a page is for a person to look at.
GOOD = {"PASSED", "REVIEW", "SKIPPED", "WARNING"}


@dataclass(frozen=True)
class Run:
    """The suite that runs, and where everything is kept that is made on the way."""

    suite: Suite
    tls: Certificate
    folder: Path
    only: str | None

    def plan(self, plan: Plan) -> dict[str, Any]:
        """Run one against a server of its own and return its results."""
        folder = self.folder / plan.name
        folder.mkdir()
        redirects = f"{self.suite.url}/test/a/{ALIAS}"
        with Provider(folder, self.tls, plan.settings, redirects) as provider:
            modules = list(self._modules(plan, provider))
        return {"name": plan.name, "title": plan.title, "modules": [asdict(module) for module in modules]}

    def _modules(self, plan: Plan, provider: Provider) -> Iterator[Module]:
        created = self.suite.create_plan(plan.name, plan.variant, plan.configuration(provider))
        for entry in created["modules"]:
            if self.only in (None, entry["testModule"]):
                module = self.suite.run(created["id"], entry, provider.rotate_keys)
                report(module)
                yield module


def report(module: Module) -> None:
    print(f"  {module.result:11} {module.name} ({module.successes} conditions held)", flush=True)
    for remark in module.remarks:
        print(f"      {remark.result}: {remark.condition}: {remark.message}", flush=True)


def main() -> int:
    options = parse()
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    print(f"logs: {folder}")
    tls = certificate.make(folder)
    with suite_server.running(options.java, options.jar, options.mongodb, tls, folder) as suite:
        run = Run(suite, tls, folder, options.module)
        results: dict[str, Any] = {
            "suite": suite.version(),
            "date": datetime.now(UTC).date().isoformat(),
            "plans": [run.plan(plan) for plan in PLANS if plan.title in (options.plan or {plan.title})],
        }
    is_whole = not (options.plan or options.module)
    (RESULTS if is_whole else folder / RESULTS.name).write_text(json.dumps(results, indent=1) + "\n")
    ends = Counter(module["result"] for plan in results["plans"] for module in plan["modules"])
    print(", ".join(f"{count} {end}" for end, count in ends.items()))
    return 0 if ends.keys() <= GOOD else 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m conformance.run", description=__doc__)
    parser.add_argument("--jar", type=Path, required=True, help="the suite, built")
    parser.add_argument("--java", default="java", help="the Java that runs it")
    parser.add_argument("--mongodb", default="mongodb://127.0.0.1:27017/test_suite")
    parser.add_argument(
        "--plan", action="append", choices=[plan.title for plan in PLANS], help="only this one"
    )
    parser.add_argument("--module", help="only this one of each plan")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
