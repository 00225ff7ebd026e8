"""The tests of rotator; the folders mirror the package."""
