"""A copy in small of both market sites, served on loopback: for a laptop without internet, demonstrations and tests."""
