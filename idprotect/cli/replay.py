"""The command that runs the risk engine over a log."""

import gc
import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace as with_
from pathlib import Path
from typing import Any, BinaryIO

import click
from flask.cli import NoAppException, ScriptInfo

from idprotect import sign_in_log
from idprotect.cli.base import idprotect
from idprotect.cli.policies import read_toml
from idprotect.conditional_access import parse_policies
from idprotect.errors import ConfigurationError, IDProtectError
from idprotect.replay import Replay, World
from idprotect.replay.lines import objects, open_log
from idprotect.replay.policies import PolicyTrial
from idprotect.replay.problems import Problems
from idprotect.replay.world import Files
from idprotect.risk import Learning
from idprotect.runtime import Runtime

PROGRESS_EVERY = 10_000
#: The garbage collector looks after so many new objects, not after 700: a replay makes hardly any cycles.
COLLECT_AFTER = 100_000


@idprotect.command("replay", with_appcontext=False)
@click.argument("file", default="-")
@click.option(
    "--protocol", is_flag=True, help="Answer each attempt at once, for a program that waits for it."
)
@click.option("--stored", is_flag=True, help="Judge the sign-ins that this server has stored, not a file.")
@click.option("--city", type=click.Path(), help="A city database (.mmdb) instead of the server's.")
@click.option("--asn", type=click.Path(), help="A database of networks (.mmdb) instead of the server's.")
@click.option("--lists", type=click.Path(), help="A folder of address lists instead of the server's.")
@click.option("--policies", "policy_file", type=click.Path(path_type=Path), help="Say what these would do.")
@click.option("--summary", is_flag=True, help="Sum up in one JSON object on standard error.")
@click.pass_context
def replay(
    context: click.Context,
    /,
    file: str,
    protocol: bool,
    stored: bool,
    policy_file: Path | None,
    summary: bool,
    **files: str | None,
) -> None:
    """Judge the sign-ins of a log (JSON Lines, also gzip; - is standard input), one JSON line an event.

    What a log looks like stands in docs/risk.md. Problems are told on standard error with their line; the exit status
    is 1 when there were any, but with --protocol.
    """
    problems = Problems(sys.stderr)
    world = World() if protocol else _world_of_server(context)
    trial = None
    if policy_file is not None:
        world, trial = _with_policies(world, policy_file)
    if any(files.values()):
        world = world.with_files(Files(**files), problems)
    played = Replay(world, problems, trial)
    if stored:
        with context.ensure_object(ScriptInfo).load_app().app_context(), _few_collections():
            levels = _write(played, played.past(sign_in_log.log()), flush=False)
    else:
        with _opened(file) as stream, _few_collections():
            levels = _write(played, played.answers(objects(stream, problems)), flush=protocol)
    if summary or trial is not None:
        told = {"events": played.events, "levels": dict(levels), "problems": problems.count}
        click.echo(json.dumps(told | ({"policies": trial.to_dict()} if trial is not None else {})), err=True)
    if problems.count and not protocol:
        context.exit(1)


def _world_of_server(context: click.Context) -> World:
    """Return what this server judges by; the defaults where there is none."""
    try:
        app = context.ensure_object(ScriptInfo).load_app()
        server: Runtime = app.extensions["idprotect"]
    except (NoAppException, ConfigurationError, KeyError) as error:
        click.echo(f"no server is configured here, its defaults are used ({error})", err=True)
        return World()
    return world_of(server)


def world_of(server: Runtime) -> World:
    """Return what a server judges by, but its policies."""
    known = server.settings
    return World(
        intelligence=server.intelligence,
        detections=server.detections,
        session_detections=server.session_detections,
        learning=Learning(known.learning_days, known.learning_sign_ins, known.learning_inactive_days),
    )


def _with_policies(world: World, file: Path) -> tuple[World, PolicyTrial]:
    try:
        policies = parse_policies(read_toml(file))
    except IDProtectError as error:
        raise click.ClickException(str(error)) from None
    return with_(world, policies=policies), PolicyTrial(policies)


def _opened(file: str) -> BinaryIO:
    if file == "-":
        return sys.stdin.buffer
    try:
        return open_log(file)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from None


@contextmanager
def _few_collections() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(COLLECT_AFTER, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _write(played: Replay, answers: Iterator[dict[str, Any]], *, flush: bool) -> Counter[str]:
    """Write the answers; return how many there were of each level."""
    levels: Counter[str] = Counter()
    in_json = json.JSONEncoder(separators=(",", ":")).encode
    for answer in answers:
        sys.stdout.write(in_json(answer) + "\n")
        if flush:
            sys.stdout.flush()
        levels[answer["level"]] += 1
        if played.events % PROGRESS_EVERY == 0 and sys.stderr.isatty():
            click.echo(f"\r{played.events} events", err=True, nl=False)
    sys.stdout.flush()
    return levels
