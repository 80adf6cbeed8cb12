"""What policies would do, before they do it: explained, imagined, replayed, compared. Pure; the live evaluator."""
