"""Face detectors behind one small interface (base.py), and the search over scales on top of them (search.py)."""
