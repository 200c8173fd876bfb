"""Sans-I/O codecs of devices: bytes and values in, bytes and values out; no trio, socket or os here."""
