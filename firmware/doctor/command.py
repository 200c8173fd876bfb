"""The command `farhand doctor`."""

from __future__ import annotations

from typing import Final, TextIO

import trio

from firmware.doctor.examine import Patient, examine
from firmware.doctor.findings import Verdict, as_json, as_text

OK_STATUS: Final = 0
BAD_STATUS: Final = 1


def command_doctor(patient: Patient, out: TextIO, *, json: bool) -> int:
    """Look, and print what was found; status 1 if anything is to be mended."""
    findings = trio.run(examine, patient)
    out.write(as_json(findings) if json else as_text(findings))
    return BAD_STATUS if any(finding.verdict is Verdict.BAD for finding in findings) else OK_STATUS
