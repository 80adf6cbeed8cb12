"""Shared Signals (OpenID SSF 1.0): applications hear, by signed events, of people who signed in to them.

events     what is told, and in which words (CAEP 1.0, RISC 1.0)
streams    what one application has asked for
origin     what follows from an event that somebody told us
telling    from what happened to the outbox, and from there to the application (RFC 8935, RFC 8936)
"""
