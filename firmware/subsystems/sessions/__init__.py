"""Sessions: who is at the control socket, and what their coming and going means for the rest."""
