"""Real servers for the tests: what they are, how they are got, how they are started.

`python -m tests.servers.provide` puts them on the machine and `plugin` shares them between the tests of one run.
Nothing here is imported eagerly, because `provide` runs before anything but Python is installed.
"""
