"""One module per format family: how to read a photo of it upright, and how to write one."""
