"""Codecs of HTTP protocols beyond the contract: text in, values out, no I/O."""
