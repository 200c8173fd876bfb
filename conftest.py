"""What holds for all tests."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("hypothesis") is not None:  # the rig's guest has none
    from hypothesis import HealthCheck, settings

    # How long an example takes says more about the machine than about the code.
    settings.register_profile("farhand", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("farhand")
