"""The composition root: settings, command line, control socket, logs, metrics, and the wiring of it all."""
