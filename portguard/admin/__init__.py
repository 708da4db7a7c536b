"""Steering over HTTP: what an administrator's tools and consoles call.

Nouns: a *caller* is who asks, by the name of its token, and its role, *reader* or *admin*; *steering* is everything
that can be asked and done, as one Protocol, which `daemon` implements and the control socket calls too; a *route* is
one method and path with the types of what goes in and out; a *refusal* is why something is not done, which becomes a
*problem* (RFC 9457).

options     [admin]                              model, tables, comparison   what is asked and answered
tokens      the file of tokens                   steering                    the Protocol, caller, refusal
routes      the table of everything              openapi                     its description (OpenAPI 3.1)
server      connections, authority, answers      stream                      events as they come (server-sent)

Knows no other room: what is asked goes to steering. Only `server` and `stream` need aiohttp, and are imported only
where [admin] is set.
"""
