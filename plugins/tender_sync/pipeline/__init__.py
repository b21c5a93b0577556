"""What a run does, from its request to its record."""
