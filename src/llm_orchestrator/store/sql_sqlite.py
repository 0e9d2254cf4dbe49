"""Constant SQL. Made by tools/build_sql.py from tables.py and views.py: do not edit."""

HEAD = "0004"
