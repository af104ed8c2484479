"""One suite for all adapters: what is promised for every loop, written once, and run in each of them."""
