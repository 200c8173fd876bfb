"""Updates of the whole appliance: signed bundles for the slot that is not running."""
