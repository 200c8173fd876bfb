"""Typed, frozen state models, one file per subsystem; field names are the contract's JSON keys."""
