"""Text recognition in snapshots."""
