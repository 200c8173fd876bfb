"""Authentication: who may use the appliance (contract subsystems.md section 1).

Owns the password file, the second factor, the sessions and the memory of verified credentials. It knows
nothing of HTTP: how credentials travel in a request is read in `api.credentials`.
"""
