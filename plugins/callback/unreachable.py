"""Say what to do about a server that cannot be reached; Ansible says only that it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible.plugins.callback import CallbackBase

if TYPE_CHECKING:
    from ansible.executor.task_result import CallbackTaskResult

DOCUMENTATION = r"""
name: unreachable
type: notification
short_description: Name cause and cure when a host cannot be reached
description:
  - Adds one sentence to Ansible's own message about an unreachable host; nothing was changed on it.
"""

CURES = (
    ("Permission denied", "the server refuses this login: check ansible_user and the ssh key ({key}) in the inventory"),
    (
        "Host key verification failed",
        "its ssh host key is not the known one: see that it is the right machine, `ssh-keygen -R {host}`",
    ),
    ("Could not resolve", "its name is unknown: correct ansible_host in the inventory"),
    ("refused", "nothing listens on its ssh port: check ansible_port, and that sshd runs there"),
    ("", "see that it is up and ansible_host ({host}) and ansible_port are right: `ssh {user}@{host}` must work from here"),
)


def cure(message: str, name: str, variables: dict[str, object]) -> str:
    """The sentence for Ansible's message about host ``name``."""
    words = next(words for sign, words in CURES if sign in message)
    host = str(variables.get("ansible_host") or name)
    user = str(variables.get("ansible_user") or "root")
    key = str(variables.get("ansible_ssh_private_key_file") or "ssh's default")
    return f"{name} cannot be reached over ssh; {words.format(host=host, user=user, key=key)}. The task changed nothing on it."


class CallbackModule(CallbackBase):
    """Speaks only when a host is unreachable."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "unreachable"
    CALLBACK_NEEDS_ENABLED = False

    def v2_runner_on_failed(self, result: CallbackTaskResult, ignore_errors: bool = False) -> None:  # noqa: ARG002
        """A server that site.yml has not made yet lacks the Python environment that the modules run with."""
        message = str(result.result.get("msg", "")) + str(result.result.get("module_stderr", ""))
        if "/opt/pgkeel/venv/bin/python" in message and ("not found" in message or "No such file" in message):
            name = result.host.get_name()
            self._display.error(f"{name} has no pgkeel environment yet: run playbooks/site.yml for it first.", wrap_text=False)

    def v2_runner_on_unreachable(self, result: CallbackTaskResult) -> None:
        """Add the sentence."""
        variables = result.host.get_vars()
        self._display.error(cure(str(result.result.get("msg", "")), result.host.get_name(), variables), wrap_text=False)
