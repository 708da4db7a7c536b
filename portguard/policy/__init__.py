"""The decision: may this message pass, under this registry revision, now?

Nouns: a *rule* is a row of the catalogue (`reasons`); a *hit* is one rule that fired, one bit of an integer in the
order of judgement; a *grant* is what the registry says about one account, number and signature (`grant`, resolved by
`revision`); a *verdict* is the action that follows from the hits under an account's rule settings (`engine`).

Knows the wire only through `smpp.scan`, and no socket, clock or file: time and bytes are passed in.
"""
