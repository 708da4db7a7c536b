"""TLS contexts for both sides, made once at start so that a wrong file is said before anything listens."""

import ssl
from pathlib import Path

from portguard.net.options import ClientTlsOptions, ServerTlsOptions


class TlsError(Exception):
    """A certificate, key or CA file cannot be used; the message names the file and the reason."""


def server_context(options: ServerTlsOptions) -> ssl.SSLContext:
    """The context under which ESMEs connect: TLS 1.2 or later. Raises TlsError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_chain(context, options.certificate, options.key)
    if options.client_ca is not None:
        _load_ca(context, options.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(options: ClientTlsOptions | bool) -> ssl.SSLContext | None:
    """The context for one SMSC, None where TLS is off. Raises TlsError."""
    if options is False:
        return None
    if options is True:
        options = ClientTlsOptions()
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if options.ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        _load_ca(context, options.ca)
    if options.certificate is not None and options.key is not None:
        _load_chain(context, options.certificate, options.key)
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load_chain(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for path in (certificate, key):
        _readable(path)
    try:
        # An encrypted key would otherwise ask for its passphrase on the terminal.
        context.load_cert_chain(certificate, key, password=_no_passphrase)
    except (ssl.SSLError, ValueError) as error:
        raise TlsError(f"{certificate}, {key}: no usable certificate and key ({_reason(error)})") from error


def _load_ca(context: ssl.SSLContext, path: Path) -> None:
    _readable(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise TlsError(f"{path}: no usable CA certificates ({_reason(error)})") from error


def _readable(path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise TlsError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _no_passphrase() -> bytes:
    raise ValueError("the key is encrypted; portguard needs one without a passphrase")


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error)
