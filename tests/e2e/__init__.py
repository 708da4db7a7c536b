"""The running daemon between other people's software: real processes, real sockets.

Nouns: a *peer* (`peers`) is somebody else's SMPP client or SMSC; the *daemon* (`daemon`) is `portguard run` in a folder
of its own; the *registry* here (`tables`) is small and written per test; a *capture* (`capture`) is what left portguard
towards the SMSC, as tshark reads it. Nothing here sleeps for a while: everything polls with a deadline (`waiting`).
"""
