"""What operators do beside a run: recover, accept, prune, checks and dry runs, `doctor`."""
