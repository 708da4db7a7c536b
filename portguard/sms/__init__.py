"""The message: what the octets of one SMS say, before anything is decided about it.

Nouns: **text** is a message's characters as UTF-16BE octets, the form in which everything here decides; a **signature**
is the brand between 【】 at the head or the tail of a text; the **canonical form** is the text after folding everything
that merely looks like something else; a **category** is what kind of content it is, with an industry. A **template** is
a text on file with variables in it. This room knows data_coding and user data headers, but no registry, no rule and no
account.
"""
