"""The transports whose connections are streams of bytes, by the name in an endpoint; each is a module.

They have the same functions: `address_of`, `bind_addresses`, `listen`, `bound_text`, `accept`, `dial`, `tune` and
`close_listener`, as `tcp` describes them.
"""

from types import ModuleType

from mqbridge.transports import ipc, tcp

STREAMS: dict[str, ModuleType] = {"tcp": tcp, "ipc": ipc}
