"""Snapshots taken on a schedule."""
