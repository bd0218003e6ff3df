"""The one exception that means: the user can mend this."""


class UserError(Exception):
    """A mistake in what the user asked for: a key, an option, a file, a folder.

    The message names the thing at fault and says what to do about it, in one or two lines. Commands print it
    as ``error: <message>`` without a traceback, and exit with status 2.
    """
