"""What every subsystem stands on: supervision, state cells, configuration, errors, locks and paths."""
