"""The subsystems: each folder holds one with its configuration, its service and its tests."""
