"""The command line: one module a command, each exposing one click command or group."""
