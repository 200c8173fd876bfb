"""`python -m firmware.prepare`: makes the machine ready, from what is on the boot partition."""
