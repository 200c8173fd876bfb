"""The card's two slots: what a version says of itself, how a slot is confirmed, and why one was given up.

RAUC and the boot loader choose and write slots; here is only what they are told, and what people are told.
"""
