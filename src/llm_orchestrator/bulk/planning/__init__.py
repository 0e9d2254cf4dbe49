"""Before and between: what a run will cost and take, and who is asked for how much of it."""
