"""What every test shares."""

from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.servers.plugin"]

# How long an example takes says something of the machine and its other guests, nothing of rotator.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
