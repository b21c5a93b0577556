"""Which notices, buyers and procurements are the same thing: pure."""
