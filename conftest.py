"""What holds for all tests."""

from __future__ import annotations

import os
from importlib.util import find_spec

if find_spec("hypothesis") is not None:  # the rig's guest has none
    from hypothesis import HealthCheck, settings

    # How long an example takes says more about the machine than about the code.
    # In CI a change is judged by what it changes: there the same examples come each time, and new ones are
    # looked for wherever else the tests run.
    settings.register_profile(
        "farhand",
        deadline=None,
        derandomize=os.environ.get("CI", "") not in ("", "false"),
        suppress_health_check=[HealthCheck.too_slow],
    )
    settings.load_profile("farhand")
