"""Run by path: becomes the program in its arguments, which the kernel kills when its parent ends.

    python -I -S with_parent.py PARENT_PID PROGRAM [ARGUMENTS...]

A killed test run cannot tidy up; without this its QEMU would live on. `setpriv --pdeathsig` does the same but
for the moment between the fork and the call, which the second look at the parent covers.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Set the signal, look whether the parent is still there, and become the program."""
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0):
        sys.exit("with_parent: prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != int(sys.argv[1]):
        sys.exit("with_parent: the parent is gone")
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
