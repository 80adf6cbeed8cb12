"""Commands about the data files: how they are doing, and what they say of one address."""

from dataclasses import asdict
from typing import Any, cast

import click
from flask.cli import AppGroup, with_appcontext

from idprotect.cli.base import Result, command, idprotect, show
from idprotect.errors import NotFound
from idprotect.intelligence import Health, Intelligence, State
from idprotect.intelligence.address_lists import AddressList
from idprotect.risk.network import Location, Network
from idprotect.runtime import runtime

COLUMNS = ("name", "kind", "state", "entries", "dated", "age", "path")
DAY = 86400
NOT_EVALUATED = "not evaluated"


@idprotect.group("intelligence", cls=AppGroup, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON.")
@click.pass_context
@with_appcontext
def intelligence_group(context: click.Context, as_json: bool) -> None:
    """Show how the data files are doing; exit status 1 when one of them is not ok."""
    if context.invoked_subcommand is not None:
        return
    intelligence = runtime().intelligence
    rows = intelligence.health()
    unset = intelligence.not_configured()
    if as_json:
        show({"sources": [_json(row) for row in rows], "not_configured": unset}, as_json)
    else:
        for line in (*_table(rows), *(f"not configured, so not evaluated: {setting}" for setting in unset)):
            click.echo(line)
    if any(row.state is not State.OK for row in rows):
        context.exit(1)


@command(cast(AppGroup, intelligence_group), "look-up")
@click.argument("address")
def look_up(address: str) -> Result:
    """Show everything known of an address, and which source says it."""
    intelligence = runtime().intelligence
    try:
        network = intelligence.network(address)
    except ValueError:
        raise NotFound(f"{address!r} is not an address") from None
    return {**asdict(network), "sources": _answers(intelligence, network)}


def summary(row: Health) -> str:
    """Describe one source in a line."""
    age = [f"{_age(row)} old"] if row.age_seconds is not None else []
    line = ", ".join((str(row.state), f"{row.entries} entries", *age, str(row.path)))
    return "; ".join((line, *row.problems[:1]))


def _json(row: Health) -> dict[str, Any]:
    return {
        "name": row.name,
        "kind": row.kind,
        "path": str(row.path),
        "state": str(row.state),
        "entries": row.entries,
        "modified_at": row.modified_at.isoformat() if row.modified_at else None,
        "loaded_at": row.loaded_at.isoformat() if row.loaded_at else None,
        "age_seconds": row.age_seconds,
        "problems": list(row.problems),
    }


def _table(rows: list[Health]) -> list[str]:
    """Lay the sources out, one a line, each with its problems below."""
    cells = [COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]
    table = lines[:1]
    for line, row in zip(lines[1:], rows, strict=True):
        table += [line, *(f"    {problem}" for problem in row.problems)]
    return table


def _cells(row: Health) -> tuple[str, ...]:
    dated = f"{row.modified_at:%Y-%m-%d %H:%M}" if row.modified_at else "-"
    return row.name, row.kind, str(row.state), str(row.entries), dated, _age(row), str(row.path)


def _age(row: Health) -> str:
    if row.age_seconds is None:
        return "-"
    days, hours = row.age_seconds / DAY, row.age_seconds / 3600
    return f"{days:.0f} d" if days >= 2 else f"{hours:.0f} h"


def _answers(intelligence: Intelligence, network: Network) -> list[dict[str, str]]:
    """Return what each source says of an address, in words."""
    answers = []
    if (city := intelligence.city) is not None:
        answers.append(_answer(city.health(), _place(network.location) if city.current() else NOT_EVALUATED))
    if (asn := intelligence.asn) is not None:
        answers.append(_answer(asn.health(), _system(network) if asn.current() else NOT_EVALUATED))
    return [
        *answers,
        *(_answer(list_.health(), _listing(list_, network)) for list_ in intelligence.lists.values()),
    ]


def _answer(source: Health, answer: str) -> dict[str, str]:
    return {"source": source.name, "kind": source.kind, "state": str(source.state), "answer": answer}


def _place(location: Location | None) -> str:
    if location is None:
        return "not known"
    place = ", ".join(part for part in (location.city, location.country) if part)
    if location.latitude is None:
        return place
    radius = f", within {location.accuracy_km:g} km" if location.accuracy_km is not None else ""
    return f"{place} ({location.latitude:g}, {location.longitude:g}{radius})"


def _system(network: Network) -> str:
    number = f"AS{network.asn}" if network.asn is not None else ""
    return f"{number} {network.organisation or ''}".strip() or "not known"


def _listing(addresses: AddressList, network: Network) -> str:
    listed = addresses.contains(network.address, network.asn)
    return {True: "listed", False: "not listed", None: NOT_EVALUATED}[listed]
