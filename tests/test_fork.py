"""Forks (P35): a child's copies of sockets disturb nothing and say what they are, and the child can talk by itself."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent / "peers"))
run_alone = importlib.import_module("peer_process").run_alone

PROGRAM = "forking.py"


def test_p35_a_child_that_closes_disturbs_nothing() -> None:
    run_alone(PROGRAM, "child_closes")


def test_p35_a_child_that_collects_garbage_disturbs_nothing() -> None:
    run_alone(PROGRAM, "child_collects")


def test_p35_a_child_that_just_exits_disturbs_nothing() -> None:
    run_alone(PROGRAM, "child_just_exits")


def test_p35_a_child_that_uses_an_inherited_socket_is_told_so() -> None:
    run_alone(PROGRAM, "child_uses_an_inherited_socket")


def test_p35_a_child_talks_with_a_context_of_its_own() -> None:
    run_alone(PROGRAM, "child_talks_by_itself")


def test_p35_p44_what_was_sent_before_the_fork_arrives_once() -> None:
    run_alone(PROGRAM, "what_was_sent_before_the_fork_arrives")


def test_p35_a_parent_that_closes_gets_no_stale_events() -> None:
    run_alone(PROGRAM, "no_stale_events")


def test_p35_multiprocessing_by_fork() -> None:
    run_alone(PROGRAM, "with_multiprocessing")


def test_p35_a_fork_while_other_threads_send() -> None:
    run_alone(PROGRAM, "forks_while_others_send")


def test_p35_p37_a_handler_that_forks_in_a_wait() -> None:
    run_alone(PROGRAM, "a_handler_forks_in_a_wait")
