cpdef bytes as_bytes(data)

cpdef as_message(parts)

cpdef room_in(buffer, nbytes)

cpdef fill(room, part)
