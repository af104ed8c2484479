"""`python -m mqbridge` is the command `mqbridge`."""

from mqbridge.cli import main

if __name__ == "__main__":
    main()
