"""The PiKVM Switch: units, ports, EDIDs and colours."""
