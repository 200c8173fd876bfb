"""Fuzzing of the API from its own description."""
