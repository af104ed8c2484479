"""A socket whose operations are coroutines: what the adapters for asyncio and trio have in common.

An operation is tried at once, unless others wait for the same already; only if that would block does it wait in their
queue. Nothing is taken or sent by anybody but the task that returns from the operation, so a task that is cancelled has
lost nothing (P17), and a coroutine that nobody awaits has no effect (P18). Messages are taken and sent whole; the parts
of one that is received, or sent, part by part belong to the task that does it (P16).
"""

from mqbridge.loops.awaitable.socket import AwaitableSocket as AwaitableSocket
from mqbridge.loops.awaitable.waiting import Sleeper as Sleeper
