"""Kills a live appliance at random moments and looks whether all that it acknowledged is still there."""
