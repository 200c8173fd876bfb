"""User-defined channels: scheme, view and drivers."""
