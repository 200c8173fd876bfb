"""Lines of the kernel's GPIO character devices (libgpiod v2): inputs with edges, outputs with pulses.

`chip.GpioChip` finds a chip, `declarations` say what a line is, `inputs.GpioInput` and `outputs.GpioOutput`
are the ports; each has a `run` task that holds its line.
"""
