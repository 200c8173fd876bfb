"""What the target starts from: an override of its firmware's own order."""
