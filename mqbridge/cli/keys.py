"""`mqbridge keys`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from mqbridge.auth.certs import create_certificates, load_certificate
from mqbridge.cli.command import Command
from mqbridge.cli.failures import Failure
from mqbridge.sodium import curve_keypair, curve_public


@click.command(
    "keys",
    cls=Command,
    examples=[
        ("mqbridge keys", "A new pair, to stdout."),
        ("mqbridge keys --save server", "server.key, for everybody, and server.key_secret, which only you can read."),
        ("mqbridge keys --public-of server.key_secret", "The public key of a secret one."),
        ("pass show zmq/server | mqbridge keys --public-of -", "The same, of a key from stdin."),
    ],
)
@click.option("--save", metavar="NAME", help="Write the certificates NAME.key and NAME.key_secret.")
@click.option("--force", is_flag=True, help="With --save: over those that are there.")
@click.option(
    "--public-of",
    "source",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Print the public key of the secret key in a file; - is stdin.",
)
def command(save: str | None, force: bool, source: str | None) -> None:
    """Make a key pair for CURVE. Keys are 40 characters of Z85, as all of ZeroMQ has them."""
    if save is not None and source is not None:
        raise click.UsageError("--save and --public-of: give one of them")
    if force and save is None:
        raise click.UsageError("--force is of no use without --save")
    if source is not None:
        click.echo(public_of(source))
    elif save is not None:
        for path in save_pair(save, force):
            click.echo(path)
    else:
        public, secret = curve_keypair()
        click.echo(f"public: {public.decode()}\nsecret: {secret.decode()}")


def save_pair(name: str, force: bool) -> tuple[str, str]:
    """Write the certificates of a new pair; return their paths. Raises Failure if they are there and not `force`."""
    directory, base = os.path.split(name)
    if not base:
        raise click.UsageError(f"--save {name!r}: give the name of a file, without its ending")
    if directory and not os.path.isdir(directory):
        raise Failure(f"{directory}: there is no such directory; make it first, e.g. mkdir -m 700 {directory}")
    for ending in ("key", "key_secret"):
        path = f"{name}.{ending}"
        if not force and os.path.exists(path):
            raise Failure(f"{path} is there already; choose another name, or --force")
    return create_certificates(directory, base)


def public_of(source: str) -> str:
    """Return the public key of a secret one, which a file or stdin has: alone, or in a certificate.

    Raises Failure if there is none; its text has nothing of what there is.
    """
    if source == "-":
        text = sys.stdin.buffer.read().strip()
    else:
        text = Path(source).read_bytes().strip()
        if b"=" in text and b"curve" in text:
            try:
                _, secret = load_certificate(source)
            except ValueError as error:
                raise Failure(f"{source}: {str(error).partition(': ')[2]}") from None
            if secret is None:
                raise Failure(f"{source}: there is only a public key in it; give the file that ends with .key_secret")
            text = secret
    # As `mqbridge keys` prints it.
    text = text.rpartition(b"secret: ")[2]
    try:
        return curve_public(text).decode()
    except ValueError:
        raise Failure(
            f"{'stdin' if source == '-' else source}: there is no secret key of 40 characters in Z85"
        ) from None
