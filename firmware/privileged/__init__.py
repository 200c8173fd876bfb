"""The few acts that need root, in a process of their own: `python -m firmware.privileged`.

The appliance runs as a user without rights and asks for them over a socket (docs/security.md, "Rights of the
process"). What can be asked is in `requests`, what is done in `acts`; `server` lets in, `client` asks.
"""
