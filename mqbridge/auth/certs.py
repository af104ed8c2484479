"""Certificates for CURVE on disk: text files with a key pair, as czmq and pyzmq write them.

`name.key` has the public key and is for everybody; `name.key_secret` has both, and only its owner may read it.
"""

from __future__ import annotations

import datetime
import os
from collections.abc import Mapping
from pathlib import Path

from mqbridge import z85
from mqbridge.sodium import KEY_SIZE, curve_keypair

_PUBLIC_HEAD = "CURVE public certificate. Let those have it who are to know you, by a way that they trust."
_SECRET_HEAD = "CURVE SECRET certificate. It is for its owner alone: give it to nobody, and leave its mode 0600."


def create_certificates(
    key_dir: str | os.PathLike[str],
    name: str,
    metadata: Mapping[str | bytes, str | bytes] | None = None,
) -> tuple[str, str]:
    """Make a key pair and write its two certificates, over those of that name if there are any.

    Parameters
    ----------
    key_dir
        The directory.
    name
        The files are `name.key` and `name.key_secret`.
    metadata
        Names and values that go into the secret certificate, each on one line.

    Returns
    -------
    The paths of the public and the secret certificate.

    Raises
    ------
    OSError
        A file cannot be written.
    ValueError
        A name or value of the metadata has more than one line.
    ZMQError
        ENOTSUP: PyNaCl is not installed.
    """
    described = [f"    {_line(key)} = {_line(value)}" for key, value in (metadata or {}).items()]
    public, secret = curve_keypair()
    keys = ["curve", f'    public-key = "{public.decode("ascii")}"']
    base = os.path.join(key_dir, name)
    public_path, secret_path = f"{base}.key", f"{base}.key_secret"
    _write(public_path, _PUBLIC_HEAD, ["metadata", *keys], 0o644)
    keys.append(f'    secret-key = "{secret.decode("ascii")}"')
    _write(secret_path, _SECRET_HEAD, ["metadata", *described, *keys], 0o600)
    return public_path, secret_path


def load_certificate(filename: str | os.PathLike[str]) -> tuple[bytes, bytes | None]:
    """Return the public and the secret key of a certificate, in Z85; None where there is no secret key.

    Raises
    ------
    OSError
        There is no such file, or it cannot be read.
    ValueError
        It has no public key, or what it has is no key.
    """
    found: dict[bytes, bytes] = {}
    for line in Path(filename).read_bytes().splitlines():
        key, equals, value = line.strip().partition(b"=")
        key = key.strip()
        if equals and key in (b"public-key", b"secret-key") and key not in found:
            found[key] = value.strip(b" \t'\"")
            _check(found[key], key.decode("ascii"), filename)
    if b"public-key" not in found:
        raise ValueError(f"load_certificate({os.fspath(filename)!r}): there is no public-key in it")
    return found[b"public-key"], found.get(b"secret-key")


def load_certificates(directory: str | os.PathLike[str] = ".") -> dict[bytes, bool]:
    """Return the public keys of all certificates `*.key` in a directory, in Z85, each with True.

    Raises
    ------
    OSError
        There is no such directory, or a file in it cannot be read.
    ValueError
        A file is no certificate.
    """
    if not os.path.isdir(directory):
        raise OSError(f"load_certificates({os.fspath(directory)!r}): there is no such directory")
    return {load_certificate(path)[0]: True for path in sorted(Path(directory).glob("*.key"))}


def _write(path: str, head: str, lines: list[str], mode: int) -> None:
    """Write a file that has its mode before there is anything in it, and is there whole or not at all."""
    made = datetime.datetime.now().isoformat(" ", "seconds")
    text = "\n".join([f"#   {head}", f"#   Made by mqbridge on {made}.", "", *lines, ""])
    temporary = f"{path}.{os.getpid()}.new"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with open(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _line(text: str | bytes) -> str:
    line = text.decode("utf-8") if isinstance(text, bytes) else text
    if len(line.splitlines()) > 1:
        raise ValueError(f"create_certificates(): metadata {line[:40]!r} has more than one line")
    return line


def _check(key: bytes, name: str, filename: str | os.PathLike[str]) -> None:
    try:
        size = len(z85.decode(key))
    except ValueError:
        size = 0
    if size != KEY_SIZE:
        raise ValueError(f"load_certificate({os.fspath(filename)!r}): its {name} is not 40 characters of Z85")
