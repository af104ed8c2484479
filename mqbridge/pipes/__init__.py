"""How messages and wake-ups cross from one owner to another."""
