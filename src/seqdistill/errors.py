"""The one exception that reaches a user as a single line."""


class SeqDistillError(Exception):
    """Something the user can mend.

    The message is one line that says what is wrong, where (file, setting, row), and how to mend it.
    The command line prints it after `error:` and exits with status 1, without a traceback.
    """
