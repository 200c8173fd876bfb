"""The composition root in parts: one file for each thing that `firmware.main` needs several calls to make."""
