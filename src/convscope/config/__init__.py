"""The typed configuration: what each key may be. Pydantic alone, so that a mistake is answered at once.

The defaults stand in ``conf/``, where a user reads and overrides them; here stand the names, types and ranges.
"""
