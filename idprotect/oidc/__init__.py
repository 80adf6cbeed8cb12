"""Authlib, told about our models: OAuth 2 (RFC 6749) and OpenID Connect Core."""
