"""Prometheus metrics: the contract's names (subsystems.md 11) and the appliance's own."""
