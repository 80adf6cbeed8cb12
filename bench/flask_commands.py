"""Run many ``flask`` commands of one application in one process: ``python -m bench.flask_commands wsgi:app``.

Reads ``[{"arguments": [...], "input": "..."}]`` from standard input and prints a JSON list of their outputs.
The commands are the same as on the command line; a process for each of them would take minutes.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

from flask import Flask


def run_commands(app: Flask, commands: list[dict[str, Any]]) -> list[str]:
    runner = app.test_cli_runner()
    outputs = []
    for command in commands:
        result = runner.invoke(args=command["arguments"], input=command.get("input"), catch_exceptions=False)
        if result.exit_code:
            sys.exit(f"flask {' '.join(command['arguments'])} failed:\n{result.output}")
        outputs.append(result.output)
    return outputs


if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    print(json.dumps(run_commands(getattr(importlib.import_module(module), name), json.load(sys.stdin))))
