"""The pure heart of rotator: no I/O, no clock, no logger."""
