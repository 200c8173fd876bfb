"""Other machines of the network, as a client."""
