"""Rows of the input: read as a stream from files of any form, and sampled fairly."""
