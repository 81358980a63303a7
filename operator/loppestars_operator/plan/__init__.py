"""Pure decisions: rollout, crawls, readiness, status. The clock is passed in."""
