"""Jobs that systemd starts on the server, and what became of them."""
