"""The wire: SMPP 3.3, 3.4 and 5.0 as bytes in and bytes out, with no I/O.

Nouns: a *PDU* is one whole SMPP packet, `bytes`, header included; a *frame* is where it lies in a buffer; a *leg* is
one side of the proxy (the ESME's or the SMSC's link); a *bind state* says what that link may carry. A *framing*
error loses the link, a *PDU* error is answered and the link lives.

constants  numbers and their names          errors   the two families
framing    PDUs out of a byte stream        session  bind states as tables
fields     every PDU's layout as a table    tlv      optional parameters, by bytes
pdu        any PDU as values, and back      encode   PDUs of our own: responses, binds, messages
scan       what the engine reads of a message, in place

It knows nothing of texts, of what is on file, or of what is permitted: only of what is well formed.
"""
