"""What a check raises when it has no verdict to give."""

from __future__ import annotations


class CouldNotVerify(Exception):  # noqa: N818 - an outcome, not an error
    """The check could not look: a privilege, an extension or old enough statistics are missing. Says which."""


class NotApplicable(Exception):  # noqa: N818 - an outcome, not an error
    """The question does not arise on this server. Says why."""
