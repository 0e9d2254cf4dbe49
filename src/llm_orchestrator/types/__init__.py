"""What every room speaks: plain data, no I/O, no logic beyond a property or two."""
