"""``python -m idprotect.demo``: the server, a relying party and people to try, on SQLite, in one go."""

import argparse
import json
import logging
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path

from werkzeug.serving import WSGIRequestHandler, make_server

from idprotect import create_app, migrations
from idprotect.demo import seed as demo

WELCOME = """
  idprotect is running. Start here:

    {relying_party}   the application: press "Sign in"
    {outbox}    text messages and mails that would have been sent
    {simulation}    travellers and attackers to watch
    {account}   your own account pages
    {console}     the administrator's console: sign in as eve

  People to try (the application's page lists them, too):

{people}

  Press Ctrl+C to stop. Everything is kept in {folder}; delete that to begin anew.
"""


class Quiet(WSGIRequestHandler):
    """Writes no line a request: query strings have no place on a console."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def main() -> None:
    """Set everything up and serve until interrupted."""
    arguments = _arguments()
    folder = Path(arguments.instance).resolve()
    issuer = f"http://localhost:{arguments.port}"
    relying_party = f"http://127.0.0.1:{arguments.relying_party_port}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ.update(_configuration(issuer, folder))
    app = create_app()
    secret = secrets.token_urlsafe(32)
    with app.app_context():
        migrations.upgrade()
        people = demo.seed(relying_party, secret)
    server = make_server("127.0.0.1", arguments.port, app, threaded=True, request_handler=Quiet)
    child = _start_relying_party(arguments.relying_party_port, issuer, secret, people)
    # Ended by a process manager is like Ctrl+C: an application that stayed would hold the port, and an old secret.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(_welcome(issuer, relying_party, folder, people), flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        child.terminate()
        child.wait(5)


def _configuration(issuer: str, folder: Path) -> dict[str, str]:
    return {
        "IDPROTECT_ISSUER": issuer,
        "IDPROTECT_DEVELOPMENT": "1",
        "IDPROTECT_INSTANCE_DIR": str(folder),
        "IDPROTECT_SMS_SENDER": "outbox",
        "IDPROTECT_MAIL_SENDER": "outbox",
        "IDPROTECT_SMS_REGION": "GB",
        "IDPROTECT_DETECTION_THRESHOLDS": "repeated_failures.threshold=3",
        "IDPROTECT_CONTACT": "the help desk, extension 4711",
        **demo.data_files(folder),
    }


def _welcome(issuer: str, relying_party: str, folder: Path, people: list[dict[str, str]]) -> str:
    return WELCOME.format(
        relying_party=relying_party,
        outbox=f"{issuer}/outbox",
        simulation=f"{issuer}/simulation",
        account=f"{issuer}/account",
        console=f"{issuer}/admin/",
        people="\n".join(f"    {p['username']}  {p['password']:<24} {p['story']}" for p in people),
        folder=folder,
    )


def _start_relying_party(
    port: int, issuer: str, secret: str, people: list[dict[str, str]]
) -> "subprocess.Popen[bytes]":
    """Run the application as a process of its own: it shares nothing with the server but HTTP."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("IDPROTECT_")},
        "DEMO_ISSUER": issuer,
        "DEMO_CLIENT_ID": demo.CLIENT_ID,
        "DEMO_CLIENT_SECRET": secret,
        "DEMO_PORT": str(port),
        "DEMO_OUTBOX_URL": f"{issuer}/outbox",
        "DEMO_PEOPLE": json.dumps(people),
        "DEMO_ATTACKS": json.dumps(demo.attacks(issuer)),
    }
    return subprocess.Popen([sys.executable, "-m", "idprotect.demo.relying_party"], env=environment)


def _arguments() -> argparse.Namespace:
    logging.basicConfig(level=logging.WARNING)
    parser = argparse.ArgumentParser(prog="python -m idprotect.demo", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="of the server (default 8000)")
    parser.add_argument(
        "--relying-party-port", type=int, default=8001, help="of the application (default 8001)"
    )
    parser.add_argument("--instance", default="instance", help="folder for database, keys and outbox")
    return parser.parse_args()


if __name__ == "__main__":
    main()
