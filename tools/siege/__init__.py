"""Attacks on an appliance, and what its owner notices of them."""
