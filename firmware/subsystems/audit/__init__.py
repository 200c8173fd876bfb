"""The audit trail: who did what, when and from where, in lines that are chained by their hashes.

It records acts and logins; of input it keeps counts, never what was typed. It knows nothing of HTTP nor of
the other subsystems: they tell it in values of `records`.
"""
