"""The bare provider's app factory; every setting comes from the environment, prefixed ``BARE_``."""

from __future__ import annotations

import json
import os
from pathlib import Path

from argon2 import PasswordHasher
from flask import Flask
from joserfc.jwk import RSAKey

from .models import db
from .oauth2 import config_oauth
from .routes import bp


def create_app() -> Flask:
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=os.environ["BARE_SECRET_KEY"],
        SQLALCHEMY_DATABASE_URI=os.environ["BARE_DATABASE_URL"],
        OAUTH2_REFRESH_TOKEN_GENERATOR=True,
        ISSUER=os.environ["BARE_ISSUER"],
        SIGNING_KEY=load_signing_key(Path(os.environ["BARE_SIGNING_KEY"])),
        PASSWORD_HASHER=create_password_hasher(),
        REFRESH_ID_TOKEN=os.environ.get("BARE_REFRESH_ID_TOKEN") == "1",
    )
    db.init_app(app)
    config_oauth(app)
    app.register_blueprint(bp)
    return app


def create_password_hasher() -> PasswordHasher:
    """OWASP's argon2id parameters unless the environment names others."""
    return PasswordHasher(
        time_cost=int(os.environ.get("BARE_ARGON2_TIME_COST", "2")),
        memory_cost=int(os.environ.get("BARE_ARGON2_MEMORY_KIB", "19456")),
        parallelism=int(os.environ.get("BARE_ARGON2_PARALLELISM", "1")),
    )


def load_signing_key(path: Path) -> RSAKey:
    """Read the RSA key, or make it: the seeding process does, before any worker starts."""
    if path.exists():
        return RSAKey.import_key(json.loads(path.read_text()))
    key = RSAKey.generate_key(3072, {"use": "sig", "alg": "RS256"}, private=True)
    path.write_text(json.dumps(key.as_dict(private=True)))
    return key
