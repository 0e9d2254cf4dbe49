"""What the limiter is made of: gates, lines of callers, what headers tell, and the shared count.

A *gate* is one limit. A *line* is one model behind one key of one provider, with all the gates that
its requests pass. A *provider queue* holds all who wait for one
provider: its lines share gates, so it says who goes next.
"""
