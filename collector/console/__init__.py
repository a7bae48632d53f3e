"""What an officer and an operator look at: one honest page, loopback only."""
