"""The configuration and settings as one encrypted file, and the way back; and a start from nothing."""
