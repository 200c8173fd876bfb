"""The appliance: supervision, configuration, state, subsystems and the boards they run on."""
