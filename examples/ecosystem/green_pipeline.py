"""A ventilator, four workers and a sink as greenlets, with zmq.green. Needs gevent.

PYZMQ_BACKEND=mqbridge.pyzmq python examples/ecosystem/green_pipeline.py
"""

from typing import Any

import gevent
import zmq.green as zmq

WORKERS = 4
TASKS = 1000


def worker(context: Any, source: str, target: str) -> None:
    tasks, results = context.socket(zmq.PULL), context.socket(zmq.PUSH)
    tasks.connect(source)
    results.connect(target)
    while (task := tasks.recv()) != b"end":
        results.send(b"%d" % (int(task) ** 2))
        gevent.sleep(0)
    tasks.close()
    results.close()


def main() -> None:
    context = zmq.Context()
    ventilator, sink = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    source = f"tcp://127.0.0.1:{ventilator.bind_to_random_port('tcp://127.0.0.1')}"
    target = f"tcp://127.0.0.1:{sink.bind_to_random_port('tcp://127.0.0.1')}"
    workers = [gevent.spawn(worker, context, source, target) for _ in range(WORKERS)]

    def send() -> None:
        for number in range(TASKS):
            ventilator.send(b"%d" % number)

    sender = gevent.spawn(send)
    with gevent.Timeout(60):
        total = sum(int(sink.recv()) for _ in range(TASKS))
        sender.join()
        for one in workers:
            one.kill()
    print("the sum of the squares is right:", total == sum(number**2 for number in range(TASKS)))
    context.destroy(linger=0)


if __name__ == "__main__":
    main()
