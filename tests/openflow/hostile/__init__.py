"""Bytes and peers that mean harm. `test_bytes`: damaged messages; `test_bombs`: what is large, deep, endless or about
nothing; `test_answers`: which error is the answer, beside a real switch's; `test_peers`: over sockets."""
