"""Capture through V4L2, the kernel's video interface: devices, signals, buffers, EDID."""
