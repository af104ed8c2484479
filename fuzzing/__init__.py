"""Fuzzing: what mqbridge does with bytes that nobody should send. `python -m fuzzing --help` tells how to run it.

The invariant: whatever bytes arrive, the process neither crashes, hangs, nor grows beyond MAXMSGSIZE plus a constant,
and other connections are served. Each target in `targets.py` takes bytes as a script: some of them choose what is
talked to (socket type, mechanism, side, version, MAXMSGSIZE), the rest arrives from the network. A target raises when

- anything but the documented error comes out of what parses,
- bytes that arrive in other pieces have another effect,
- more comes back than a small multiple of what arrived,
- or, where there are real sockets, a well-behaved client beside the hostile one is not served.

`__main__.py` sees to the rest: a script that takes longer than 10 s hangs, and the process may not grow.
"""
