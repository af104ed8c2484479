"""Where a connection stands, and what brings it further, as a table."""

# States.
GREETING = "GREETING"  # signature and major version of the peer are awaited
IDENTITY = "IDENTITY"  # the identity of a peer of version 1 or 2 is awaited; ours is sent
MECHANISM = "MECHANISM"  # the rest of its greeting is awaited; ours is sent
HANDSHAKE = "HANDSHAKE"  # the mechanism's commands go to and fro
ASKING = "ASKING"  # a ZAP handler's answer is awaited; what the peer says meanwhile has to wait
READY = "READY"  # messages flow
ENDED = "ENDED"  # the peer has closed; messages it had sent may still be taken
CLOSED = "CLOSED"  # broken or refused, or ended before messages could flow

# Events.
VERSION = "the peer speaks version 3"
OLDER = "the peer speaks version 1 or 2"
GREETED = "the peer's greeting is complete"
ASKED = "the mechanism has a question"
ANSWERED = "the question is answered"
AGREED = "the mechanism is done, or there is none, and the peer suits"
FAULT = "the protocol is broken, or an ERROR came"
END = "the peer closes"

TRANSITIONS = {
    (GREETING, VERSION): MECHANISM,
    (GREETING, OLDER): IDENTITY,
    (GREETING, FAULT): CLOSED,
    (GREETING, END): CLOSED,
    (IDENTITY, AGREED): READY,
    (IDENTITY, FAULT): CLOSED,
    (IDENTITY, END): CLOSED,
    (MECHANISM, GREETED): HANDSHAKE,
    (MECHANISM, FAULT): CLOSED,
    (MECHANISM, END): CLOSED,
    (HANDSHAKE, AGREED): READY,
    (HANDSHAKE, ASKED): ASKING,
    (HANDSHAKE, FAULT): CLOSED,
    (HANDSHAKE, END): CLOSED,
    (ASKING, ANSWERED): HANDSHAKE,
    (ASKING, FAULT): CLOSED,
    (ASKING, END): CLOSED,
    (READY, FAULT): CLOSED,
    (READY, END): ENDED,
    (ENDED, FAULT): CLOSED,
    (ENDED, END): ENDED,
    (CLOSED, END): CLOSED,
}
# In which phase a state's errors are, whether messages may be taken, and whether nothing more is received.
MEANING = {
    GREETING: ("greeting", False, False),
    IDENTITY: ("greeting", False, False),
    MECHANISM: ("greeting", False, False),
    HANDSHAKE: ("handshake", False, False),
    ASKING: ("handshake", False, False),
    READY: ("traffic", True, False),
    ENDED: ("traffic", True, True),
    CLOSED: ("traffic", False, True),
}
