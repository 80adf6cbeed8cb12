"""The stand-alone server for gunicorn and ``flask --app wsgi``."""

from idprotect import create_app

app = create_app()
