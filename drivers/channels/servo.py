"""Servos: PWM whose duties are given as angles."""

from __future__ import annotations

from dataclasses import dataclass

from drivers.channels.pwm import Duties


@dataclass(frozen=True, slots=True, kw_only=True)
class ServoRange:
    """What a servo can do: pulses in nanoseconds at the ends of its way, in degrees."""

    period_ns: int
    low_ns: int
    high_ns: int
    low_deg: float
    high_deg: float

    def duties(self, *, on_deg: float, off_deg: float) -> Duties:
        """Return the PWM signal that turns it to *on_deg*, and to *off_deg*."""
        return Duties(self.period_ns, self._pulse_ns(on_deg), self._pulse_ns(off_deg))

    def _pulse_ns(self, angle_deg: float) -> int:
        part = (angle_deg - self.low_deg) / (self.high_deg - self.low_deg)
        return round(self.low_ns + part * (self.high_ns - self.low_ns))
