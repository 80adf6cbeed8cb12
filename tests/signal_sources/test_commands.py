"""The commands about signal sources: everything that the console does, for people and in JSON."""

import json
from typing import Any

import pytest

from idprotect.event_types import RISK_LEVEL_CHANGE
from idprotect.testing import Provider
from tests.signal_sources.conftest import Listen, Source, ours, risk_of


def run(provider: Provider, *arguments: str, stdin: str = "", fails: bool = False) -> Any:
    """Run a command; return its answer in JSON."""
    command = ["idprotect", "signal-source", *arguments, "--json"]
    done = provider.app.test_cli_runner().invoke(args=command, input=stdin)
    assert done.exit_code == int(fails), done.output
    return json.loads(done.output)


def test_a_source_is_added_and_told_by(provider: Provider, source: Source) -> None:
    """C020: where its keys are the issuer says itself; the token is shown once."""
    url = source.transmitter.url
    told = run(
        provider,
        *("add", "by command", "--issuer", url, "--audience", "https://us.example"),
        *(
            "--subject",
            "ours",
            "--event",
            "risk-level-change",
            "--level-cap",
            "low",
            "--people-per-hour",
            "3",
        ),
    )
    assert told["jwks_uri"] == f"{url}/jwks"
    assert (told["events"], told["level_cap"], told["state"]) == (["risk-level-change"], "low", "silent")
    assert told["push_url"] == f"{provider.issuer}/signals/{told['id']}"
    added, ada = Source(provider, source.transmitter, told["id"], told["token"]), provider.person()
    assert added.tell(ada) == "raised"
    assert risk_of(ada) == "low"
    shown = run(provider, "show", "by command")
    assert (shown["outcomes"], shown["state"]) == ({"raised": 1}, "listening")
    assert "token" not in shown
    (received,) = run(provider, "received", told["id"])
    assert (received["event"], received["outcome"], received["user"]) == (
        RISK_LEVEL_CHANGE,
        "raised",
        ada.username,
    )
    new = run(provider, "rotate-token", told["id"])["token"]
    token = source.transmitter.sign(source.transmitter.claims(ours(provider, ada)))
    assert added.push(token).json()["err"] == "authentication_failed"
    added.token = new
    assert added.push(token).status_code == 202
    assert told["id"] in [one["id"] for one in run(provider, "list")]
    changed = run(
        provider, "change", told["id"], "--level-cap", "high", "--subject", "email", "--name", "by another"
    )
    assert (changed["level_cap"], changed["subjects"], changed["name"]) == ("high", ["email"], "by another")
    assert run(provider, "undo", told["id"], "--since", "2026-01-01", "--reason", "wrong")["closed"] == 1
    assert risk_of(ada) == "none"
    assert run(provider, "remove", told["id"], "--reason", "over")["removed"] is True


def test_people_are_mapped(provider: Provider, source: Source) -> None:
    """C020: one, or a file of them; and forgotten."""
    ada, kim = provider.person(), provider.person()
    assert run(provider, "map", source.id, "their-ada", ada.username) == {"mapped": 1}
    lines = f"their-kim {kim.username}\nalso-ada {ada.username}\n"
    assert run(provider, "map", source.id, "--file", "-", stdin=lines) == {"mapped": 2}
    assert run(provider, "mapped", source.id) == [
        {"subject": "also-ada", "username": ada.username},
        {"subject": "their-ada", "username": ada.username},
        {"subject": "their-kim", "username": kim.username},
    ]
    assert source.tell({"format": "iss_sub", "iss": source.transmitter.url, "sub": "their-kim"}) == "raised"
    assert run(provider, "unmap", source.id, "their-kim")["mapped"] is False
    assert "no user is called" in run(provider, "map", source.id, "x", "nobody", fails=True)["error"]
    assert (
        "line 2"
        in run(provider, "map", source.id, "--file", "-", stdin=f"a {ada.username}\nb\n", fails=True)["error"]
    )
    assert len(run(provider, "mapped", source.id)) == 2, "half a file is none"


def test_a_source_is_paused_and_resumed(provider: Provider, source: Source) -> None:
    """C020: what was held has its effect before the command ends, or never."""
    ada, kim = provider.person(), provider.person()
    held = run(provider, "pause", source.id, "--reason", "they were broken into")
    assert (held["state"], held["held_why"].endswith("paused it")) == ("held", True)
    assert source.tell(ada) == "held"
    resumed = run(provider, "resume", source.id, "--release", "--reason", "it was nothing")
    assert (resumed["released"], resumed["held"], risk_of(ada)) == (1, 0, "high")
    run(provider, "pause", source.id, "--reason", "again")
    assert source.tell(kim) == "held"
    assert run(provider, "resume", source.id, "--discard", "--reason", "it was something")["discarded"] == 1
    assert risk_of(kim) == "none"
    assert (
        "already" in run(provider, "resume", source.id, "--discard", "--reason", "again", fails=True)["error"]
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "nobody"), "there is no signal source"),
        (("add", "x", "--issuer", "https://localhost:1", "--audience", "us"), "ssf-configuration"),
        (
            (
                "add",
                "x",
                "--issuer",
                "ftp://x.example",
                "--jwks-uri",
                "https://x.example/jwks",
                "--audience",
                "us",
            ),
            "",
        ),
        (("add", "x", "--issuer", "https://x.example", "--jwks-uri", "https://x.example/jwks"), "needed"),
    ],
)
def test_what_cannot_be_is_told(provider: Provider, arguments: tuple[str, ...], said: str) -> None:
    """C020: in one line, and nothing is added."""
    assert said in run(provider, *arguments, fails=True)["error"]


def test_what_cannot_be_done_to_a_source_is_told(provider: Provider, source: Source) -> None:
    """C020: a time that is none, a subject that nobody knows, a poll of who pushes, an event that is none."""
    for arguments, said in (
        (("undo", source.id, "--since", "yesterday", "--reason", "x"), "is no time"),
        (("unmap", source.id, "x"), "stands for nobody"),
        (("poll", source.id), "pushes"),
        (("verify", source.id), "nothing by which to prove"),
        (("change", source.id, "--event", "unheard-of"), "There is no event unheard-of"),
        (("change", source.id, "--poll-url", f"{source.transmitter.url}/poll"), "we need a token"),
        (("change", source.id, "--people-per-hour", "0"), "a number from 1"),
    ):
        assert said in run(provider, *arguments, fails=True)["error"], arguments


def test_a_polled_source_has_no_token(provider: Provider, listen: Listen) -> None:
    """C020: and one that pushes from now on gets one."""
    source = listen(provider, poll_url="https://x.example/poll", secret="a-bearer-token")
    assert source.token == ""
    assert "it has no token" in run(provider, "rotate-token", source.id, fails=True)["error"]
    changed = run(provider, "change", source.id, "--poll-url", "")
    assert changed["delivery"] == "push"
    assert changed["token"]
