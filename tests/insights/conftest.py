"""A property may take its time on a busy machine; how long is no property of the core."""

from hypothesis import settings

settings.register_profile("core", deadline=None)
settings.load_profile("core")
