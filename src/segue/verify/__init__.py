"""What a program means, and proofs about it. Pure: no files, sockets, clock or chance."""
