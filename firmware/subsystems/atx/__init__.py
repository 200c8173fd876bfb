"""ATX: the target's power and reset buttons and its LEDs."""
