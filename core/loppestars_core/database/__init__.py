"""Tables, migrations and connections; only components that own rows import this."""
