"""CURVE and PLAIN on the command line: options for both sides, of which no one takes a secret from the arguments."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from mqbridge import z85
from mqbridge.auth.certs import load_certificate, load_certificates
from mqbridge.cli.command import together
from mqbridge.cli.failures import Failure
from mqbridge.sodium import curve_keypair

#: The environment's variable with the password for PLAIN.
PASSWORD = "MQBRIDGE_PLAIN_PASSWORD"
_KEY_TEXT = 40
# Bytes of a user and of a password (RFC 24).
_LONGEST = 255
_FILE = click.Path(exists=True, dir_okay=False)

#: The options, whose values go into `Security`.
security_options = together(
    click.option("--curve-server", metavar="KEYFILE", type=_FILE, help="Be a CURVE server with this secret key."),
    click.option(
        "--curve-clients",
        metavar="DIRECTORY",
        type=click.Path(exists=True, file_okay=False),
        help="With --curve-server: let in only those whose certificates (*.key) are there.",
    ),
    click.option("--curve-serverkey", metavar="KEY|FILE", help="Be a CURVE client of the server with this public key."),
    click.option(
        "--curve-client",
        metavar="KEYFILE",
        type=_FILE,
        help="With --curve-serverkey: the client's secret key. By default a new one.",
    ),
    click.option("--plain-server", metavar="FILE", type=_FILE, help="Be a PLAIN server; FILE has lines USER:PASSWORD."),
    click.option(
        "--plain-user",
        metavar="USER",
        help=f"Be a PLAIN client; the password is in ${PASSWORD} or --plain-password-file.",
    ),
    click.option("--plain-password-file", metavar="FILE", type=_FILE, help="Its first line is the password."),
)


class Security:
    """What `security_options` ask for, read and checked.

    Parameters are the options. Raises click.UsageError for options that do not go together, and Failure for a file
    that has no key.
    """

    NAMES = (
        "curve_server",
        "curve_clients",
        "curve_serverkey",
        "curve_client",
        "plain_server",
        "plain_user",
        "plain_password_file",
    )

    def __init__(
        self,
        curve_server: str | None = None,
        curve_clients: str | None = None,
        curve_serverkey: str | None = None,
        curve_client: str | None = None,
        plain_server: str | None = None,
        plain_user: str | None = None,
        plain_password_file: str | None = None,
    ) -> None:
        chosen = {
            "--curve-server": curve_server,
            "--curve-serverkey": curve_serverkey,
            "--plain-server": plain_server,
            "--plain-user": plain_user,
        }
        given = [name for name, value in chosen.items() if value is not None]
        if len(given) > 1:
            raise click.UsageError(f"{given[0]} and {given[1]}: a socket has one mechanism; choose one")
        _needs("--curve-clients", curve_clients, "--curve-server", curve_server)
        _needs("--curve-client", curve_client, "--curve-serverkey", curve_serverkey)
        _needs("--plain-password-file", plain_password_file, "--plain-user", plain_user)
        self.options: dict[str, Any] = {}
        self.clients = curve_clients
        if curve_clients is not None:
            try:
                load_certificates(curve_clients)
            except ValueError as error:
                raise Failure(f"--curve-clients: {error}") from None
        self.users: dict[str, str] | None = None
        if curve_server is not None:
            public, secret = secret_pair(curve_server)
            self.options = {"curve_publickey": public, "curve_secretkey": secret, "curve_server": True}
        elif curve_serverkey is not None:
            public, secret = curve_keypair() if curve_client is None else secret_pair(curve_client)
            self.options = {"curve_publickey": public, "curve_secretkey": secret}
            self.options["curve_serverkey"] = public_key(curve_serverkey)
        elif plain_server is not None:
            self.users = users(plain_server)
            self.options = {"plain_server": True}
        elif plain_user is not None:
            secret = password(plain_password_file).encode()
            for what, value in (("user", plain_user.encode()), ("password", secret)):
                if not 1 <= len(value) <= _LONGEST:
                    raise Failure(f"the {what} for PLAIN has {len(value)} bytes; it may have 1 to {_LONGEST}")
            self.options = {"plain_username": plain_user.encode(), "plain_password": secret}

    @classmethod
    def of(cls, options: dict[str, Any]) -> Security:
        """Take the security options out of all options."""
        return cls(**{name: options.pop(name) for name in cls.NAMES})

    def apply(self, socket: Any) -> None:
        """Set the options of a socket, before it binds or connects."""
        for name, value in self.options.items():
            setattr(socket, name, value)

    @contextlib.contextmanager
    def authenticating(self, context: Any) -> Iterator[None]:
        """Let in whom the options say, while sockets of this context are used."""
        if self.clients is None and self.users is None:
            yield
            return
        from mqbridge.auth.thread import ThreadAuthenticator

        with ThreadAuthenticator(context) as authenticator:
            if self.users is not None:
                authenticator.configure_plain(domain="*", passwords=self.users)
            if self.clients is not None:
                authenticator.configure_curve(domain="*", location=self.clients)
            yield


def _needs(name: str, value: str | None, other: str, needed: str | None) -> None:
    if value is not None and needed is None:
        raise click.UsageError(f"{name} is of no use without {other}")


def secret_pair(path: str) -> tuple[bytes, bytes]:
    """Return the public and the secret key of a secret certificate."""
    try:
        public, secret = load_certificate(path)
    except ValueError as error:
        raise Failure(
            f"{path}: {str(error).partition(': ')[2]}; `mqbridge keys --save NAME` makes certificates"
        ) from None
    if secret is None:
        raise Failure(f"{path}: there is only a public key in it; give the file that ends with .key_secret")
    return public, secret


def public_key(text: str) -> bytes:
    """Return a public key, given as 40 characters of Z85 or by the name of a certificate."""
    if len(text) == _KEY_TEXT and not os.path.exists(text):
        with contextlib.suppress(ValueError, UnicodeEncodeError):
            key = text.encode("ascii")
            z85.decode(key)
            return key
    try:
        return load_certificate(text)[0]
    except OSError:
        raise click.UsageError(
            f"--curve-serverkey {text!r}: neither a key of 40 characters in Z85 nor a file"
        ) from None
    except ValueError as error:
        raise Failure(f"{text}: {str(error).partition(': ')[2]}") from None


def users(path: str) -> dict[str, str]:
    """Return the passwords by user of a file with lines USER:PASSWORD; empty ones and those with # do not count."""
    found = {}
    for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, secret = line.partition(":")
        if not colon:
            raise Failure(f"{path}: line {number} is not USER:PASSWORD")
        found[user] = secret
    return found


def password(path: str | None) -> str:
    """Return the password of a PLAIN client: the first line of a file, or what the environment has."""
    if path is not None:
        lines = Path(path).read_text("utf-8").splitlines()
        return lines[0] if lines else ""
    if PASSWORD not in os.environ:
        raise click.UsageError(f"--plain-user needs the password: in ${PASSWORD} or by --plain-password-file")
    return os.environ[PASSWORD]
