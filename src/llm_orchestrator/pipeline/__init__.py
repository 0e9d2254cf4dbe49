"""Round each attempt: what must happen before a request goes out and after it came back.

An attempt is one wire request. `sender.Sender` is the only way to a provider; its guards are a
list, each one concern: enter before the wire, leave after, in reverse order, also for streams,
whose attempt ends with the last piece.
"""
