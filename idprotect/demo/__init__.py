"""The demonstration: what a newcomer starts to see idprotect at work; nothing else imports it."""
