"""The parts of `tests/run`. Python standard library only, since this runs before anything is installed."""
