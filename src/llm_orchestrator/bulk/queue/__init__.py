"""The queue: jobs one by one, nights, workers, and who is told what."""
