"""The tools that read the code run with the tests: style, types, layers."""

import subprocess
import sys

import pytest

from tests.support import PROJECT

TOOLS = {
    "style": ["ruff", "check", "."],
    "types": ["mypy"],
    "layers": ["importlinter.cli"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_code_holds_to_its_rules(tool: str) -> None:
    """ruff, mypy (strict) and the import-linter contracts in setup.cfg find nothing."""
    module, *arguments = TOOLS[tool]
    if tool == "layers":
        command = [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
        ]
    else:
        command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
