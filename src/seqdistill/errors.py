"""The one exception that reaches a user as a single line, and what makes a line of anything."""


def one_line(text: str, limit: int = 200) -> str:
    """Text from a file as a message may quote it: on one line, of a bounded length, and nothing a terminal obeys."""
    shown = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(text[: 4 * limit].split()))
    return shown if len(shown) <= limit else f"{shown[:limit]}..."


class SeqDistillError(Exception):
    """Something the user can mend.

    The message is one line that says what is wrong, where (file, setting, row), and how to mend it.
    The command line prints it after `error:` and exits with status 1, without a traceback.
    """
