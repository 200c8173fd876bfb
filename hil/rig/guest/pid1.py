"""Pid 1: prepares the system, keeps one agent, and collects every process that lost its parent.

It ends the machine when the agent ends: a guest that nobody can talk to is of no use.
"""

from __future__ import annotations

import os
import signal
import traceback

from rig.guest import agent, system


def main() -> None:
    """Never returns."""
    try:
        # What Ctrl+Alt+Del would send to pid 1, besides the kernel's own switch.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        system.start()
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.setsid()
            agent.main()
            os._exit(1)
        while True:
            pid, status = os.wait()
            if pid == child:
                system.complain(f"the agent ended with {os.waitstatus_to_exitcode(status)}")
                break
    except BaseException:  # noqa: BLE001  a pid 1 that ends panics the kernel over what is to be read
        system.complain(traceback.format_exc())
    finally:
        system.power_off()
