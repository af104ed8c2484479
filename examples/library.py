"""The ZeroMQ library that an example runs with: mqbridge, or what the environment variable ZMQ_LIBRARY names.

So two sides of an example can be run by two libraries: ZMQ_LIBRARY=zmq is pyzmq. A program of yours just says
`import mqbridge as zmq`.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

zmq: Any = importlib.import_module(os.environ.get("ZMQ_LIBRARY", "mqbridge"))
