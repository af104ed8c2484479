"""What makes a REQ a REQ: no descriptor, no thread, no clock."""
