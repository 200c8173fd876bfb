"""Ground floor: each module talks to one kernel interface or one device and knows nobody above."""
