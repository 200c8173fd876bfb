"""H.264: a process that encodes, what is said to it, and the memory that pictures go through."""
