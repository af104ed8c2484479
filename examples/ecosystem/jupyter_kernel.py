"""A Jupyter kernel: started, asked to compute, interrupted, and shut down. Kernel and client are other people's code.

    PYZMQ_BACKEND=mqbridge.pyzmq python examples/ecosystem/jupyter_kernel.py

Needs ipykernel and jupyter_client. Without the variable it runs on libzmq.
"""

import sys
from queue import Empty
from typing import Any

import zmq
from jupyter_client.manager import KernelManager

TIMEOUT = 60


def answers(client: Any, code: str, interrupts: Any = None) -> list[tuple[str, dict[str, Any]]]:
    """Run code in the kernel; return what it published, type and content, up to its being idle again."""
    request = client.execute(code)
    published = []
    while True:
        message = client.get_iopub_msg(timeout=TIMEOUT)
        if message["parent_header"].get("msg_id") != request:
            continue
        kind, content = message["msg_type"], message["content"]
        published.append((kind, content))
        if kind == "stream" and interrupts is not None:
            interrupts()
            interrupts = None
        if kind == "status" and content["execution_state"] == "idle":
            return published


def main() -> None:
    manager = KernelManager(kernel_name="python3")
    # This Python, whatever kernels are installed for others.
    assert manager.kernel_spec is not None
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel()
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=TIMEOUT)
        kernel_runs_on = "__import__('zmq').backend.Socket.__module__"
        result = dict(answers(client, kernel_runs_on))["execute_result"]
        print("client on", zmq.backend.Socket.__module__, "- kernel on", result["data"]["text/plain"].strip("'"))
        result = dict(answers(client, "sum(range(101))"))["execute_result"]
        print("sum(range(101)) is", result["data"]["text/plain"])
        endless = "import time\nprint('started', flush=True)\nwhile True: time.sleep(0.01)"
        error = dict(answers(client, endless, manager.interrupt_kernel))["error"]
        print("an endless loop, interrupted:", error["ename"])
        print("alive after that:", dict(answers(client, "6 * 7"))["execute_result"]["data"]["text/plain"])
    except Empty:
        sys.exit("the kernel did not answer in time")
    finally:
        client.stop_channels()
        manager.shutdown_kernel()
    print("shut down:", not manager.has_kernel or not manager.is_alive())


if __name__ == "__main__":
    main()
