"""Drivers of user-defined channels (`drivers.ports.ChannelDriver`), one file per type."""
