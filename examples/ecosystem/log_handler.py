"""Log records as messages, with zmq.log's PUBHandler.

PYZMQ_BACKEND=mqbridge.pyzmq python examples/ecosystem/log_handler.py
"""

import logging

import zmq
from zmq.log.handlers import PUBHandler


def main() -> None:
    context = zmq.Context()
    publisher, subscriber = context.socket(zmq.XPUB), context.socket(zmq.SUB)
    publisher.bind("tcp://127.0.0.1:*")
    subscriber.subscribe(b"shop")
    subscriber.connect(publisher.get_string(zmq.LAST_ENDPOINT))
    publisher.recv()

    handler = PUBHandler(publisher)
    handler.root_topic = "shop"
    handler.setFormatter(logging.Formatter("%(message)s"))
    log = logging.getLogger("shop")
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    log.info("open")
    log.warning("only %d loaves left", 3)
    for _ in range(2):
        topic, text = subscriber.recv_multipart()
        print(topic.decode(), "-", text.decode().splitlines()[0])
    log.removeHandler(handler)
    context.destroy(linger=0)


if __name__ == "__main__":
    main()
