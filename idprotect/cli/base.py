"""How a command is made: one transaction, errors in one line, an answer for people or in JSON."""

import functools
import getpass
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

import click
from flask import g
from flask.cli import AppGroup

from idprotect import notifications, worker
from idprotect.errors import ConfigurationError, IDProtectError
from idprotect.models import session
from idprotect.runtime import settings


class _Commands(AppGroup):
    """All commands: a setting that is wrong is told in one line, too."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; the first of them makes the application."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)


idprotect = _Commands("idprotect", help="Administer the identity server.")

#: A command that ended sign-ins tells applications for so many seconds; the server, or the next one, does the rest.
PATIENCE = 10.0
Result = Mapping[str, Any] | list[Any] | None
Command = Callable[..., Result]


def command(group: AppGroup, name: str, **options: Any) -> Callable[[Command], Command]:
    """Make a command: one transaction, errors in one line with exit status 1, and ``--json``."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def run(as_json: bool, **arguments: Any) -> None:
            try:
                result = function(**arguments)
                session().commit()
            except IDProtectError as error:
                session().rollback()
                notifications.discard()
                _fail(error, as_json)
            notifications.flush()
            if g.pop("idprotect_deliveries", False) and settings().deliver:
                worker.deliver_due(PATIENCE)
            show(result, as_json)

        option = click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
        group.command(name, **options)(option(run))
        return function

    return decorate


def operator() -> str:
    """Return who acts, for the audit log."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def _fail(error: IDProtectError, as_json: bool) -> None:
    problems = [str(problem) for problem in getattr(error, "problems", [error])]
    if as_json:
        click.echo(json.dumps({"error": str(error), "problems": problems}))
    else:
        for problem in problems:
            click.echo(f"error: {problem}", err=True)
    sys.exit(1)


def show(result: Result, as_json: bool) -> None:
    """Print an answer, for people or in JSON."""
    if result is None:
        return
    if as_json:
        click.echo(json.dumps(result, indent=2, ensure_ascii=False))
    else:
        for line in _lines(result):
            click.echo(line)


def _lines(value: Any, indent: str = "") -> list[str]:
    """Lay a result out for reading."""
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, (Mapping, list)) and item:
                lines += [f"{indent}{key}:", *_lines(item, indent + "  ")]
            else:
                lines.append(f"{indent}{key}: {'-' if item in (None, [], {}, '') else item}")
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping):
                first, *rest = _lines(item, indent + "  ")
                lines += [f"{indent}- {first.strip()}", *rest]
            else:
                lines.append(f"{indent}- {item}")
    return lines
