"""Which models answer a request, in which order, and when an answer is good enough. No I/O.

A strategy is a function of the request, what is on offer and `base.Ask`, the only way to a model;
the engine makes a reply of its `base.Decision`, books it and keeps the call within its cap.
"""
