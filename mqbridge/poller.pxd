# Compiled for safety, not for speed: no signal handler comes between the registering of a wait and the note of it.
