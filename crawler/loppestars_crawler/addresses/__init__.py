"""Danish addresses: the postal-code table, the rules that make addresses comparable, and points on the map."""
