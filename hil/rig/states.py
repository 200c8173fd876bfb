"""The rig's own states: off, booted, gadget_up, source_on. Each includes the one before.

`gadget_up` has a USB device controller with a composed gadget that the host side has configured; composing is
the product's, so the command that does it is given. `source_on` adds the managed computer's picture (vivid)
and front panel (gpio-sim).
"""

from __future__ import annotations

from collections.abc import Sequence

from rig.errors import RigError
from rig.guest.system import TREE
from rig.rig import Rig
from rig.strategy import Strategy

STATES = ("off", "booted", "gadget_up", "source_on")

PANEL_LABEL = "farhand-rig-panel"
PANEL_LINES = ("power-led", "disk-led", "power-button", "reset-button")
"""Names of the lines of the simulated chip, by offset."""

# The host side enumerates a gadget within half a second, emulated.
_CONFIGURED_DEADLINE_S = 60
_STEP_DEADLINE_S = 120

_CONTROLLER_ON = 'modprobe -a libcomposite dummy_hcd && test -n "$(ls /sys/class/udc)"'
_CONTROLLER_OFF = "modprobe -r dummy_hcd"
_WAIT_CONFIGURED = f"""
end=$(($(date +%s) + {_CONFIGURED_DEADLINE_S}))
until cat /sys/class/udc/*/state | grep -qx configured; do
    [ "$(date +%s)" -lt "$end" ] || {{ echo "the controllers are: $(cat /sys/class/udc/*/state)"; exit 1; }}
    sleep 0.05
done
"""

# One HDMI input with DV timings and EDID, single-planar, and the controls of a source that can be pulled.
_PICTURE_ON = """
modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=0x3 multiplanar=1 ccs_cap_mode=0
grep -ql vivid /sys/class/video4linux/*/name
"""
_PICTURE_OFF = "modprobe -r vivid"
_PANEL_DIRECTORY = "/sys/kernel/config/gpio-sim/farhand-rig"
_PANEL_ON = "\n".join([
    f"modprobe gpio-sim && mkdir {_PANEL_DIRECTORY} {_PANEL_DIRECTORY}/bank && cd {_PANEL_DIRECTORY}/bank",
    f"echo {len(PANEL_LINES)} >num_lines && echo {PANEL_LABEL} >label",
    *(f"mkdir line{offset} && echo {name} >line{offset}/name" for offset, name in enumerate(PANEL_LINES)),
    "echo 1 >../live",
])  # fmt: skip
_PANEL_OFF = f"""
cd {_PANEL_DIRECTORY}
echo 0 >live
rmdir bank/line* && rmdir bank && cd .. && rmdir {_PANEL_DIRECTORY}
"""


class RigStrategy(Strategy):
    """The states of one rig. It starts where the rig is: off, or booted."""

    def __init__(
        self, rig: Rig, *, compose: Sequence[str] = (), decompose: Sequence[str] = (), booted: bool = False
    ) -> None:
        """*compose* and *decompose* run in the guest's tree as root: make and bind the gadget, undo it."""
        self._rig = rig
        self._compose = tuple(compose)
        self._decompose = tuple(decompose)
        super().__init__(
            "booted" if booted else "off",
            {
                ("off", "booted"): self.boot,
                ("booted", "gadget_up"): self.bring_gadget_up,
                ("gadget_up", "source_on"): self.switch_source_on,
                ("source_on", "gadget_up"): self.switch_source_off,
                ("gadget_up", "booted"): self.take_gadget_down,
                ("booted", "off"): self.power_off,
                ("gadget_up", "off"): self.power_off,
                ("source_on", "off"): self.power_off,
            },
        )

    def boot(self) -> None:
        """Restore or boot the machine."""
        self._rig.start()

    def power_off(self) -> None:
        """End the machine."""
        self._rig.close()

    def bring_gadget_up(self) -> None:
        """Load the controller, compose the gadget, wait until the host side has configured it."""
        if not self._compose:
            raise RigError(
                "expected a command that composes the gadget, got none: RigStrategy(rig, compose=[...])"
            )
        self._shell(_CONTROLLER_ON)
        self._rig.run(self._compose, directory=TREE, timeout_s=_STEP_DEADLINE_S).check()
        self._shell(_WAIT_CONFIGURED)

    def take_gadget_down(self) -> None:
        """Take the gadget apart and remove the controller."""
        if self._decompose:
            self._rig.run(self._decompose, directory=TREE, timeout_s=_STEP_DEADLINE_S).check()
        self._shell(_CONTROLLER_OFF)

    def switch_source_on(self) -> None:
        """Give the appliance a picture and a front panel."""
        self._shell(_PICTURE_ON)
        self._shell(_PANEL_ON)

    def switch_source_off(self) -> None:
        """Take them away."""
        self._shell(_PANEL_OFF)
        self._shell(_PICTURE_OFF)

    def _shell(self, script: str) -> None:
        self._rig.run(["sh", "-euc", script], timeout_s=_STEP_DEADLINE_S).check()
