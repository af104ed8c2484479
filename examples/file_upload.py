"""File upload: a file as one multipart message, in parts of 1 KiB; the answer is the hash of what was stored.

    python examples/file_upload.py
    python examples/file_upload.py server tcp://127.0.0.1:5555 /srv/uploads
    python examples/file_upload.py client tcp://127.0.0.1:5555 photo.jpg notes.txt

    request   name | size | SHA-256 | 1 KiB | 1 KiB | ... | the rest        an empty file: the first three parts only
    answer    stored | SHA-256        or        refused | why

A multipart message arrives whole or not at all, so the server never sees half a file. It also is in memory as a whole,
on both sides: fine for megabytes. Send a larger file in many messages.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory
from typing import Any

from library import zmq
from sides import Side, run

PART = 1024  # bytes


def server(context: Any, endpoint: str, directory: str) -> None:
    """Store uploads in a directory."""
    with context.socket(zmq.REP) as socket:
        socket.bind(endpoint)
        print("server: bound to", socket.LAST_ENDPOINT.decode())
        while True:
            try:
                answer = [b"stored", store(socket.recv_multipart(), Path(directory))]
            except (OSError, ValueError) as error:
                answer = [b"refused", str(error).encode()]
            socket.send_multipart(answer)


def store(request: list[bytes], directory: Path) -> bytes:
    """Write an upload to the directory; return its hash. Raises ValueError or OSError: it is not to be had."""
    if len(request) < 3:
        raise ValueError("an upload has a name, a size and a hash")
    full_name, size, digest, *parts = request
    # Of a path only the last component counts: nobody writes outside the directory.
    name = os.path.basename(os.fsdecode(full_name))
    if name in ("", ".", "..") or "\0" in name:
        raise ValueError(f"{name!r} is not the name of a file")
    if sum(map(len, parts)) != int(size) or hash_of(parts) != digest:
        raise ValueError(f"{name!r} was damaged on its way")
    # Written under another name and renamed when it is complete: who looks there finds all of a file or none of it.
    with NamedTemporaryFile(dir=directory, prefix=".upload-", delete=False) as file:
        try:
            file.writelines(parts)
            file.flush()
            os.replace(file.name, directory / name)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    print(f"server: stored {name!r}, {int(size):,} bytes in {len(parts):,} parts")
    return digest


def hash_of(parts: list[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode()


def client(context: Any, endpoint: str, *names: str) -> None:
    """Upload files, one after the other."""
    with context.socket(zmq.REQ) as socket:
        socket.connect(endpoint)
        for name in names:
            with open(name, "rb") as file:
                parts = list(iter(lambda: file.read(PART), b""))
            digest = hash_of(parts)
            size = sum(map(len, parts))
            socket.send_multipart([os.fsencode(os.path.basename(name)), b"%d" % size, digest, *parts])
            outcome, detail = socket.recv_multipart()
            if outcome != b"stored":
                raise RuntimeError(f"{name}: {outcome.decode()}: {detail.decode()}")
            if detail != digest:
                raise RuntimeError(f"{name}: the server has stored something else")
            print(f"client: uploaded {name!r}, {size:,} bytes, SHA-256 {digest[:16].decode()}...")


def alone(context: Any) -> None:
    with TemporaryDirectory() as here, TemporaryDirectory() as there:
        files = [Path(here, "large"), Path(here, "small"), Path(here, "empty")]
        for file, size in zip(files, (3_000_000, 5, 0), strict=True):
            file.write_bytes(os.urandom(size))
        with Side(__file__, "server", "tcp://127.0.0.1:*", there) as other:
            client(context, other.line(), *map(str, files))
        same = [file.read_bytes() == Path(there, file.name).read_bytes() for file in files]
    print(f"{sum(same)} of {len(files)} files are the same on both sides")


if __name__ == "__main__":
    run(alone, server, client)
