"""The table of providers: one declarative row each, and the help that rows need (keys, servers)."""
