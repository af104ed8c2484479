"""Pipeline: one PUSH deals tasks to many workers' PULLs, and many workers' PUSHes bring results to one PULL.

    python examples/pipeline.py
    python examples/pipeline.py boss tcp://127.0.0.1:5555 tcp://127.0.0.1:5556 2
    python examples/pipeline.py worker tcp://127.0.0.1:5555 tcp://127.0.0.1:5556 anna
    python examples/pipeline.py worker tcp://127.0.0.1:5555 tcp://127.0.0.1:5556 bert

A PUSH deals in turn to whoever has room, so that a slow worker gets less. The 2 says how many workers the boss waits
for before the first task; more may come at any time. Workers run until Ctrl-C ends them.
"""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from typing import Any

from library import zmq
from sides import Side, run

TASKS = 10_000
WORKERS = ("anna", "bert", "carl")


def boss(context: Any, tasks_endpoint: str, results_endpoint: str, workers: str) -> None:
    """Have numbers squared."""
    with context.socket(zmq.PUSH) as tasks, context.socket(zmq.PULL) as results:
        tasks.bind(tasks_endpoint)
        results.bind(results_endpoint)
        print("boss: tasks at", tasks.LAST_ENDPOINT.decode())
        print("boss: results at", results.LAST_ENDPOINT.decode())
        for _ in range(int(workers)):
            print("boss: hello,", results.recv_string())

        # Both directions at once: if all tasks were sent before the first result is taken, and the queues were full of
        # results, everybody would wait for everybody.
        poller = zmq.Poller()
        poller.register(tasks, zmq.POLLOUT)
        poller.register(results, zmq.POLLIN)
        sent = 0
        squares: dict[int, int] = {}
        shares: Counter[str] = Counter()
        while len(squares) < TASKS:
            ready = dict(poller.poll())
            if tasks in ready:
                tasks.send(b"%d" % sent)
                sent += 1
                if sent == TASKS:
                    poller.unregister(tasks)
            if results in ready:
                name, number, square = results.recv_multipart()
                if int(number) in squares or int(square) != int(number) ** 2:
                    raise RuntimeError(f"{name.decode()} says that the square of {int(number)} is {int(square)}")
                squares[int(number)] = int(square)
                shares[name.decode()] += 1
    for worker_name, count in sorted(shares.items()):
        print(f"boss: {count:,} results from {worker_name}")
    print(f"boss: {len(squares):,} tasks, each done once; the sum of the squares is {sum(squares.values()):,}")


def worker(context: Any, tasks_endpoint: str, results_endpoint: str, name: str) -> None:
    with context.socket(zmq.PULL) as tasks, context.socket(zmq.PUSH) as results:
        tasks.connect(tasks_endpoint)
        results.connect(results_endpoint)
        results.send_string(name)
        while True:
            number = int(tasks.recv())
            results.send_multipart([name.encode(), b"%d" % number, b"%d" % number**2])


def alone(context: Any) -> None:
    with ExitStack() as stack:
        arguments = ("boss", "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", str(len(WORKERS)))
        other = stack.enter_context(Side(__file__, *arguments))
        tasks, results = other.line(), other.line()
        for name in WORKERS:
            stack.enter_context(Side(__file__, "worker", tasks, results, name))
        other.wait()


if __name__ == "__main__":
    run(alone, boss, worker)
