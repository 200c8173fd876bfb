"""The appliance's journal."""
