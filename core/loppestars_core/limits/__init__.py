"""Rate limits: the counts that all replicas of the API share."""
