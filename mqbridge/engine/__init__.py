"""What drives a socket: its lock, its descriptors, its connections, and the thread that looks in when nobody does."""
