import os
import subprocess
import sys

from msgspec.structs import replace

from llm_orchestrator.store.executor import LEASE_US, is_alive, this_process

NOW = 1_750_000_000_000_000


def test_this_process_lives() -> None:
    me = this_process(NOW)
    assert me.pid == os.getpid()
    assert me.executor_id != this_process(NOW).executor_id
    assert is_alive(me, NOW + 10 * LEASE_US)


def test_a_pid_without_a_process_is_dead_at_once() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not is_alive(replace(this_process(NOW), pid=child.pid), NOW)


def test_a_pid_that_was_given_to_another_process_is_dead() -> None:
    assert not is_alive(replace(this_process(NOW), born="1"), NOW)


def test_a_process_of_another_user_lives() -> None:
    """Or of ours: what counts is that it may not be signalled, or may."""
    assert is_alive(replace(this_process(NOW), pid=1, born=""), NOW)


def test_elsewhere_a_lease_decides() -> None:
    for other in (
        replace(this_process(NOW), host="elsewhere"),
        replace(this_process(NOW), boot="before the restart"),
    ):
        assert is_alive(other, NOW + LEASE_US - 1)
        assert not is_alive(other, NOW + LEASE_US)
