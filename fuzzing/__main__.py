"""The command line: `python -m fuzzing [TARGET ...]`. Each target runs in processes of its own.

With atheris a target first runs interpreted, guided by coverage; what that has found worth keeping is then run
compiled, and changed at random.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys

from fuzzing.run import ALL, BUILD, ROOT, by_atheris, by_our_own, kept


def guided() -> bool:
    """Return whether atheris is installed."""
    return importlib.util.find_spec("atheris") is not None


def child(how: str, name: str, seconds: float, seed: int, pure: bool) -> bool:
    """Run a target in a process of its own; return whether nothing broke."""
    environment = {**os.environ, "MQBRIDGE_PURE": "1"} if pure else dict(os.environ)
    command = [sys.executable, "-m", "fuzzing", "--child", how, f"--seconds={seconds}", f"--seed={seed}", name]
    process = subprocess.run(command, cwd=ROOT, env=environment)
    if process.returncode < 0 and how == "ours":
        path = BUILD / f"{name}-signal-{-process.returncode}"
        path.write_bytes(kept(BUILD / f"{name}-now"))
        print(f"{name}: ended by signal {-process.returncode}, by {path.relative_to(ROOT)}", file=sys.stderr)
    return process.returncode == 0


def main(given: list[str]) -> int:
    """Run what was asked for; return the exit status."""
    parser = argparse.ArgumentParser("fuzzing", description="Bytes that nobody should send, for a fixed time.")
    parser.add_argument("target", nargs="*", help=f"what to run (all): {', '.join(ALL)}")
    parser.add_argument("--seconds", type=float, default=60, help="for each target and way of running it (60)")
    parser.add_argument("--seed", type=int, default=1, help="of the random changes (1)")
    parser.add_argument("--child", choices=("atheris", "ours"), help=argparse.SUPPRESS)
    asked = parser.parse_args(given)
    names = asked.target or list(ALL)
    for name in names:
        if name not in ALL:
            parser.error(f"there is no target {name!r}; there are {', '.join(ALL)}")
    if asked.child == "atheris":
        by_atheris(names[0], max(1, int(asked.seconds)))
    if asked.child == "ours":
        count = by_our_own(names[0], asked.seconds, asked.seed)
        print(f"{names[0]}: {count:,} scripts, nothing broke", flush=True)
        return 0
    if not guided():
        print("atheris is not installed (make fuzz installs it where it can be had): random changes alone, not guided")
    broken = []
    for name in names:
        ways = [("atheris", True)] if guided() else []
        for how, pure in [*ways, ("ours", False)]:
            print(f"{name}: {how}, {asked.seconds:g} s", flush=True)
            if not child(how, name, asked.seconds, asked.seed, pure):
                broken.append(name)
                break
    print(f"broken: {', '.join(broken)}" if broken else "nothing broke")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
