"""Benchmarks and build helpers; nothing here is part of the appliance."""
