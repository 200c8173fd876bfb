"""The PiKVM Switch: a chain of units at a USB serial line."""
