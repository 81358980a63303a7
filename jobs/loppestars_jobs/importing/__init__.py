"""Moving in: what people left in an earlier backend."""
