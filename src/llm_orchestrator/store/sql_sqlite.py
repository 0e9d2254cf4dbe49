"""Constant SQL. Made by tools/build_sql.py from tables.py and views.py: do not edit."""
# ruff: noqa: E501

HEAD = "0004"
