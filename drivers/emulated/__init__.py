"""An in-process PC at the other end of the drivers' ports."""
