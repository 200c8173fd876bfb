"""The control socket: sessions, events to clients, input from clients."""
