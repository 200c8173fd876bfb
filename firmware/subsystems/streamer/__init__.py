"""Streamer: the target's screen as JPEG frames, captured only while somebody wants them."""
