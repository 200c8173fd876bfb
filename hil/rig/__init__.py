"""The rig: a Debian guest in QEMU whose kernel plays the board's hardware, built, booted and used from here.

`python -m rig` is its command line, `rig.fixtures` its pytest fixtures, `rig.rig.Rig` the thing itself. The
package runs on the developer's machine; `rig.guest` is what it puts into the guest. It knows nothing of the
appliance but where its tree is.
"""
