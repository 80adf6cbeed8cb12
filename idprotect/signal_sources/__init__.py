"""Signal sources: other transmitters of Shared Signals (OpenID SSF 1.0) that this server listens to.

sources      which there are, what each may do, and what administrators do about them
tokens       whether a security event token is a source's (RFC 8417)
subjects     whom it is about (RFC 9493)
receiving    what it does here: a detection, the end of sessions, or nothing
transmitter  what we ask the other side: its metadata, a stream, a verification, what waits (RFC 8936)
polling      whom to ask when, by the worker
undoing      taking back what a source raised
"""
