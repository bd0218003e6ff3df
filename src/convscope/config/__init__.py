"""The typed configuration: the name, type and range of each key.

The default values are in ``conf/``, where a user reads and overrides them. The classes here import pydantic and
nothing slow, so that a mistake is reported at once.
"""
