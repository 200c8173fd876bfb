"""What runs inside of the guest: the first stage (`init`), pid 1 and the agent. Standard library only."""
