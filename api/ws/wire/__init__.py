"""Sans-I/O codecs of the control socket: no trio, socket or os here."""
