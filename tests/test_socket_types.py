"""What type checkers are told of a socket is not there when a program runs; test_typing.py has what they make of it."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import mqbridge
from mqbridge import socket_types
from mqbridge.socket import MessageSocket
from mqbridge.socket_types import Received


def test_at_run_time_nothing_comes_before_the_methods() -> None:
    assert issubclass(mqbridge.Socket, Received)
    assert {"recv", "recv_multipart"}.isdisjoint(vars(Received))
    for name in ("recv", "recv_multipart"):
        assert getattr(mqbridge.Socket, name) == getattr(MessageSocket, name)


def test_the_texts_are_those_of_the_methods() -> None:
    tree = ast.parse(Path(socket_types.__file__).read_text())
    texts = {
        node.name: ast.get_docstring(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node)
    }
    assert set(texts) == {"recv", "recv_multipart"}
    for name, text in texts.items():
        assert text == inspect.getdoc(getattr(MessageSocket, name))
