"""One pass over a stack: what is applied, compared, pruned and written."""
