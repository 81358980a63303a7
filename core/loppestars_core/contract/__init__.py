"""What the programs and the operator agree on. It imports nothing, so that anything may import it."""
