"""The fault matrix: which driver survives which fault, and the tests that show it (docs/reliability.md)."""
