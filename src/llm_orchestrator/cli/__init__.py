"""The command ``llmo``: results on stdout, all else on stderr, and an exit code that means it."""
