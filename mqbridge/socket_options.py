"""A socket's options: get and set, by number, by name and as attributes (the libzmq manual, zmq_setsockopt)."""

from __future__ import annotations

import errno
from typing import Any

from mqbridge import options
from mqbridge.constants import SocketOption, SocketType
from mqbridge.errors import ZMQError

# With the aliases.
_OPTION_NAMES = {name.lower(): member for name, member in SocketOption.__members__.items()}
_EVENTS = int(SocketOption.EVENTS)
_TOPICAL = (SocketType.PUB, SocketType.SUB, SocketType.XPUB, SocketType.XSUB)
_MARKS = (SocketOption.HWM, SocketOption.SNDHWM, SocketOption.RCVHWM)


class SocketOptions:
    """The mixin with the options."""

    __slots__ = ()

    def set(self, option: int, value: int | bytes) -> None:
        """Set an option.

        Parameters
        ----------
        option
            A `SocketOption`, e.g. `mqbridge.LINGER`.
        value
            An int (times are in milliseconds, sizes in bytes, high-water marks in messages) or bytes.

        Raises
        ------
        TypeError
            The value is not of the option's type.
        ZMQError
            EINVAL: the value is out of range, or the option is read-only, unknown or not supported.
            ENOTSOCK: the socket is closed.
        """
        driver = self._checked()
        if option in (SocketOption.SUBSCRIBE, SocketOption.UNSUBSCRIBE) and options.subscribes(
            driver.options, self.socket_type, option, value
        ):
            driver.subscribe(value, option == SocketOption.SUBSCRIBE)
            return
        options.set_option(driver.options, self.socket_type, option, value)
        if option in _MARKS:
            driver.marks_changed()

    def get(self, option: int) -> Any:
        """Return an option's value: int, or bytes.

        Reading EVENTS does the input and output that is due and clears the edge of FD.

        Raises
        ------
        ZMQError
            EINVAL: the option is unknown or not supported. ENOTSOCK: the socket is closed.
        """
        driver = self._checked()
        # Event loops ask for it all the time.
        if option == _EVENTS:
            return driver.events(self._view)
        if type(option) is not int:
            options.check_number("get", option)
        if option not in options.ANSWERED_BY_SOCKET:
            return options.get_option(driver.options, self.socket_type, option)
        if option == SocketOption.FD:
            return self._own_view().fileno()
        if option == SocketOption.TYPE:
            return int(self.socket_type)
        if option == SocketOption.RCVMORE:
            return int(driver.more)
        if option == SocketOption.LAST_ENDPOINT:
            return driver.last_endpoint.encode("utf-8", "surrogateescape")
        if option == SocketOption.MECHANISM:
            return driver.options.mechanism
        if option == SocketOption.THREAD_SAFE:
            # What libzmq says of the classic types. Ours serialise threads all the same.
            return 0
        if self.socket_type in _TOPICAL:
            # TOPICS_COUNT.
            driver.events(None)
            return driver.pattern.topics_count()
        return options.get_option(driver.options, self.socket_type, option)

    setsockopt = set
    getsockopt = get

    def set_string(self, option: int, value: str, encoding: str = "utf-8") -> None:
        """Set a bytes option from text."""
        if not isinstance(value, str):
            raise TypeError(f"set_string({option!r}): expected str, got {type(value).__name__}; for bytes use set()")
        self.set(option, value.encode(encoding))

    def get_string(self, option: int, encoding: str = "utf-8") -> str:
        """Return a bytes option as text."""
        value = self.get(option)
        if not isinstance(value, bytes):
            raise TypeError(f"get_string({option!r}): this option is an int; use get()")
        return value.decode(encoding)

    setsockopt_string = setsockopt_unicode = set_string
    getsockopt_string = getsockopt_unicode = get_string

    def subscribe(self, topic: str | bytes) -> None:
        """Receive messages that begin with `topic` (SUB); text is encoded as UTF-8."""
        self.set(SocketOption.SUBSCRIBE, topic.encode() if isinstance(topic, str) else topic)

    def unsubscribe(self, topic: str | bytes) -> None:
        """Take one `subscribe` of this topic back."""
        self.set(SocketOption.UNSUBSCRIBE, topic.encode() if isinstance(topic, str) else topic)

    def set_hwm(self, value: int) -> None:
        """Set both high-water marks, in messages; 0 is no limit."""
        self.set(SocketOption.HWM, value)

    def get_hwm(self) -> int:
        """Return the high-water mark for sending, in messages."""
        mark: int = self.get(SocketOption.SNDHWM)
        return mark

    hwm = property(get_hwm, set_hwm)

    def __getattr__(self, name: str) -> Any:
        option = _OPTION_NAMES.get(name.lower())
        if option is None:
            raise AttributeError(f"a {SocketType(self.socket_type).name} socket has no attribute or option {name!r}")
        try:
            # As pyzmq has it: the attribute is of the enum, while the option is an int.
            return SocketType(self.get(option)) if option == SocketOption.TYPE else self.get(option)
        except ZMQError as error:
            if error.errno == errno.EINVAL:
                raise AttributeError(str(error)) from None
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        if name.lower() in ("subscribe", "unsubscribe"):
            getattr(self, name.lower())(value)
            return
        if hasattr(type(self), name) or any(name in vars(kind).get("__annotations__", ()) for kind in type(self).mro()):
            object.__setattr__(self, name, value)
            return
        option = _OPTION_NAMES.get(name.lower())
        if option is None:
            raise AttributeError(f"a {SocketType(self.socket_type).name} socket has no option {name!r} to set")
        self.set(option, value)
