"""The front: HTTP, WebSocket and the web console over the subsystems' handles; no rule of the domain."""
