"""A real machine, run by QEMU, at the other end of the drivers' ports."""
