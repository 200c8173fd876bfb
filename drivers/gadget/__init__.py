"""The USB gadget: what the target sees at the other end of the USB cable, through the kernel's configfs."""
