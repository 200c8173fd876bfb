"""What holds for all tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

pytest_plugins = ("pytester", "tools.fault_matrix.plugin")

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

if find_spec("tools") is not None:  # the rig's guest has none
    from tools.log_secrets import DrawnSecrets, secret_forms_in

    _drawn = DrawnSecrets()
    # Libraries by which the tests are clients, and which tell what they send and get.
    _CLIENTS = ("httpcore", "httpx", "trio-websocket", "websockets", "asyncio")

    class _SecretsInLogs(logging.Handler):
        """Looks at all that is logged."""

        def __init__(self) -> None:
            super().__init__()
            self.found: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            if record.name.startswith(_CLIENTS):
                return
            text = self.format(record)
            if kinds := secret_forms_in(text):
                self.found.append(f"{', '.join(kinds)}: {text}")
            if _drawn.in_text(text):
                self.found.append(f"a random secret: {text}")

    @pytest.fixture(scope="session", autouse=True)
    def _secrets_are_known() -> Iterator[None]:
        with _drawn.collected():
            yield

    @pytest.fixture(autouse=True)
    def _no_secret_in_the_log() -> Iterator[None]:
        """Fail a test in which a secret was logged."""
        _drawn.forget()
        # Levels are left alone: tests that look at secrets themselves have them down to DEBUG.
        handler = _SecretsInLogs()
        logging.getLogger().addHandler(handler)
        yield
        logging.getLogger().removeHandler(handler)
        assert not handler.found, "secrets in the log:\n" + "\n".join(handler.found)
