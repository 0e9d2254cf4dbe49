"""The online lane: items answered in real time, a chunk at a time."""
