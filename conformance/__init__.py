"""Runs the OpenID Foundation's conformance suite against idprotect; see ``README.md``."""
