"""HID: keyboard and mouse of the target."""
