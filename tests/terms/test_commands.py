"""C068: terms of use by command: made, published, read, deleted; each also speaks JSON, and errors are one line."""

import json
from pathlib import Path
from typing import Any

from tests.support.world import World
from tests.terms.rules import POLICY, events


def said(world: World, *arguments: str) -> Any:
    """Run a command, and return its JSON."""
    done = world.cli("terms", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.output)


def test_terms_are_looked_after_by_command(world: World, tmp_path: Path) -> None:
    """C068: the title stays unless another is given; who accepted is listed."""
    file = tmp_path / "rules.txt"
    file.write_text("Be kind.\n")
    made = said(world, "create", "rules", str(file), "--title", "The rules", "--valid-days", "30")
    assert (made["name"], made["version"], made["title"]) == ("rules", 1, "The rules")
    world.make_user()
    world.apply(POLICY)
    assert world.browser().start().sign_in().submit(button="accept").is_signed_in
    file.write_text("Be kind!\n")
    assert (
        said(world, "publish", "rules", str(file), "--keep-acceptances", "--note", "a mark")["version"] == 2
    )
    (row,) = said(world, "list")
    assert (row["required_version"], row["valid_days"], row["accepted_by"]) == (1, 30, 1)
    assert row["policies"] == ["house-rules"]
    shown = said(world, "show", "rules", "--version", "1")
    assert (shown["shown"]["text"], len(shown["versions"])) == ("Be kind.\n", 2)
    (acceptance,) = said(world, "acceptances", "rules", "--user", "ADA")
    assert (acceptance["user"], acceptance["version"], acceptance["client"]) == ("ada", 1, "notes")
    assert said(world, "acceptances", "rules", "--user", "bob") == []
    assert events(world, "terms:published")[0]["note"] == "a mark"


def test_what_is_wrong_is_one_line(world: World, tmp_path: Path) -> None:
    """C068: status 1 or 2, and nothing is made."""
    file = tmp_path / "rules.txt"
    file.write_text("Be kind.\n")
    for arguments in (
        ("create", "Rules", str(file), "--title", "x"),
        ("create", "rules", str(tmp_path / "none.txt"), "--title", "x"),
        ("create", "rules", str(file), "--title", "x", "--valid-days", "0"),
        ("publish", "rules", str(file)),
        ("show", "rules"),
        ("acceptances", "rules"),
        ("change", "rules", "--valid-days", "3", "--until-next-version"),
        ("delete", "rules", "--reason", "why"),
    ):
        refused = world.cli("terms", *arguments)
        assert refused.exit_code in (1, 2), arguments
        assert "Traceback" not in refused.output
    assert said(world, "list") == []
