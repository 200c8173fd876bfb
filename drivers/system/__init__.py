"""What the appliance's own operating system tells: temperature, load, memory, platform."""
