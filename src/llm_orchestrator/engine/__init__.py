"""One request from end to end: what is asked -> who could answer -> attempts -> the reply."""
