"""The benchmark of the risk engine: idprotect and the baselines of the literature on labelled sign-in logs."""
