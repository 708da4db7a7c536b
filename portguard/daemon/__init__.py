"""The process: wiring of all rooms, its lifecycle, reloads of the registry and the control socket.

Nouns: the *state folder* holds what must survive a restart (prepared revisions) and what must exist once (lock, control
socket); a *reload* builds a candidate revision beside the running one and swaps it in whole, or refuses it with its
errors.
Knows every room's outside; decides nothing about a message.
"""
