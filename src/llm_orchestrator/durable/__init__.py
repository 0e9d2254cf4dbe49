"""What wakes us up: later, again, in turn, and on another machine when this one is gone.

A thin port over a durable engine (DBOS, extra ``workers``). It keeps nothing that matters: our own
tables say what is to be done, a handler looks there, does one step and says when to look again.
"""
