"""The configuration's mechanism: YAML with positions, merging, and conversion to typed sections.

It knows no subsystem; what the sections are is composed in `firmware.settings`.
"""
