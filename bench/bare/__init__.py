"""The yardstick: an OpenID Connect provider wired as Authlib's documentation does it, and nothing more."""
