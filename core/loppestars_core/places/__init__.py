"""Denmark on the map: points, the border, postal codes, municipalities, and the names of places."""
