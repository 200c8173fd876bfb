"""The routes, one file per subsystem; each has a function that lists them for a handle."""
