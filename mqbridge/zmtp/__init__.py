"""The wire protocol ZMTP, sans-IO: bytes in, messages and bytes out. No socket, thread or clock is known here."""
