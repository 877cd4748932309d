"""What the networking API's benchmark is made of: a client, scripts of calls, and the two servers."""
