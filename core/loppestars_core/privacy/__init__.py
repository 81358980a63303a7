"""Personal data: what each table holds, how long, and what becomes of it."""
