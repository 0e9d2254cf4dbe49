"""The steps of `tools/build_catalog.py`: read two price sources, merge them, write one file."""
