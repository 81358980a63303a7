"""What a released image says of itself: what is in it, how it was built, and whose signature is under both."""
