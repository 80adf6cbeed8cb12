"""Serve the application at http://127.0.0.1:8001, another site than a provider at http://localhost:8000."""

import contextlib
import os
import sys

from werkzeug.serving import WSGIRequestHandler, make_server

from . import Settings, SettingsError, create_app
from .signals import NotHeard


class DiscreetHandler(WSGIRequestHandler):
    """Logs requests without their query, where codes and ID token hints travel."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Write one line."""
        self.log("info", '"%s %s" %s', self.command, self.path.partition("?")[0], code)


def main() -> None:
    """Run until interrupted."""
    try:
        settings = Settings.from_environ(os.environ)
        app = create_app()
    except SettingsError as error:
        sys.exit(f"northwind: {error}")
    print(f"Northwind Notes: {settings.base_url} (signs in with {settings.issuer})", flush=True)
    server = make_server(settings.host, settings.port, app, threaded=True, request_handler=DiscreetHandler)
    try:
        app.extensions["northwind"].signals.subscribe()  # the port is ours already: what is pushed now waits
    except NotHeard as error:
        print(f"northwind: the provider tells of no security events: {error}", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        server.serve_forever()


if __name__ == "__main__":
    main()
