"""The benchmark: idprotect against a bare Authlib server, in the same run."""
