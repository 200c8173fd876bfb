"""The Redfish service: DMTF's management interface over the same handles as the rest of the API.

Each module holds the documents of one area as pure functions from state, and the resources that serve them.
No rule of a subsystem is here. `service.redfish_routes` is what the composition root calls.
"""
