"""Boards as data: what each one is made of, and how that becomes ports."""
