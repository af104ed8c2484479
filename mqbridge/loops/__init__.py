"""Adapters: mqbridge sockets, and stock pyzmq sockets, at home in event loops. Each loop has a module here."""
