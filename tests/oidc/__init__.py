"""The authorization server: requirements of sections 6 and 7 of the security requirements."""
