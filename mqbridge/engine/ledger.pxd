# Compiled without types: what runs under a lock should run no signal handlers, and compiled code does not.
