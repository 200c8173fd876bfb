"""A small guest for the QEMU board: a bootable BIOS image with GRUB, built from Debian's own packages.

It shows a menu, has a prompt that runs what is typed, changes the video mode, and honours the ACPI power
button, so that the appliance can be proven on a real machine without an operating system to download.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

MENU_TITLE = "Farhand demo shell"
"""The first entry of the menu, which Enter starts."""
PROMPT = "farhand>"
"""The prompt of that shell: GRUB commands and variables, such as `echo $grub_platform`."""
GRAPHICS_SIZE = (1024, 768)
"""The size that the second entry switches to."""
POWER_BUTTON_WAIT = "Waiting for the power button."
"""What the third entry prints once it listens for the ACPI power button; it powers off when that comes."""
VOLUME_LABEL = "FARHAND_DEMO"
QEMU_ARGUMENTS = ("-m", "64", "-boot", "menu=on,splash-time=3000")
"""What to start it with: enough memory, and three seconds of the firmware's screen, to be seen for sure."""
FIRMWARE_TEXT = "Press ESC for boot menu"
"""What the firmware shows in these three seconds, then `MENU_TITLE` follows."""

# Building takes 0.2 s; a minute is a broken machine.
_BUILD_DEADLINE_S = 60

# The fixed ACPI registers of QEMU's pc and q35 machines are at I/O port 0x600: status, and 2 behind it the
# enable bits; bit 8 is the power button in both (ACPI specification 4.8.3.1).
_GRUB_CONFIGURATION = f"""\
set timeout=120
set default=0
terminal_input console
terminal_output console

menuentry "{MENU_TITLE}" {{
    clear
    echo "Farhand demo guest: type GRUB commands, or exit."
    while true; do
        echo -n "{PROMPT} "
        read line
        echo
        if [ "$line" = "exit" ]; then break; fi
        eval "$line"
    done
}}

menuentry "Graphics {GRAPHICS_SIZE[0]}x{GRAPHICS_SIZE[1]}" {{
    insmod all_video
    insmod gfxterm
    loadfont /boot/grub/fonts/ascii.pf2
    set gfxmode={GRAPHICS_SIZE[0]}x{GRAPHICS_SIZE[1]}
    terminal_output gfxterm
    clear
    echo "Farhand demo graphics. Esc goes back."
    sleep --interruptible 86400
    terminal_output console
}}

menuentry "Wait for the power button" {{
    insmod iorw
    outw 0x602 0x100
    echo "{POWER_BUTTON_WAIT}"
    inw -v events 0x600
    while [ "$events" != 100 -a "$events" != 101 ]; do
        inw -v events 0x600
    done
    halt
}}

menuentry "Power off" {{
    halt
}}
"""


class GuestBuildError(Exception):
    """The guest cannot be built; the message names what is missing or what the tool said."""


def build_demo_iso(directory: Path) -> Path:
    """Build the guest's image (3 MB) in *directory* and return its path. Blocks for about 0.2 s.

    Raises GuestBuildError if a tool is missing or fails.
    """
    for tool, package in (("grub-mkrescue", "grub-common"), ("xorriso", "xorriso")):
        if shutil.which(tool) is None:
            raise GuestBuildError(f"expected {tool} on the PATH, found none: install Debian's {package}")
    if not Path("/usr/lib/grub/i386-pc").is_dir():
        raise GuestBuildError("expected GRUB's BIOS modules, found none: install Debian's grub-pc-bin")
    path = directory / "farhand-demo.iso"
    with tempfile.TemporaryDirectory(dir=directory) as tree:
        configuration = Path(tree, "boot", "grub", "grub.cfg")
        configuration.parent.mkdir(parents=True)
        configuration.write_text(_GRUB_CONFIGURATION)
        command = ["grub-mkrescue", "--directory=/usr/lib/grub/i386-pc", f"--output={path}"]
        command += ["--fonts=ascii", "--locales=", "--themes=", tree, "--", "-volid", VOLUME_LABEL]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_DEADLINE_S, check=False)
    if done.returncode != 0:
        raise GuestBuildError(f"grub-mkrescue failed: {done.stderr.strip()}")
    return path
