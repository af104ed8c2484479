"""`mqbridge demo`: one service on every loop that is installed, with clients in other processes, and one table."""
