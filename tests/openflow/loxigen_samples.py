def judged():
    return ()
