"""Tasks: what is asked of each row, from YAML to the request that goes out."""
