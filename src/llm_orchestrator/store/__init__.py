"""The ledger: what was asked, sent, answered and paid, in SQLite or PostgreSQL."""
