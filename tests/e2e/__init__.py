"""The whole path on real servers: from the text of a config file to what a client's handshake shows."""
