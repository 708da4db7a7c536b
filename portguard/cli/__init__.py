"""The command line: what operators, administrators and compliance officers type.

Nouns: a *command* is one module here that exposes one click command or group; `root` lists them and imports a command's
module only when it is used. Exit codes: 0 done, 1 something is wrong with what was read or asked, 2 wrong usage, 130
interrupted. Commands decide nothing themselves: they load, ask the other rooms, and print.
"""

from portguard.cli.root import main

__all__ = ["main"]
