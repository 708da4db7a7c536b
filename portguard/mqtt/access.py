"""How this client shows who it is: password and certificates, read anew for each link, so that changed files count."""

import logging
import os
import ssl
import stat
from pathlib import Path

from portguard.mqtt.options import MqttOptions

LONGEST_PASSWORD = 65_535

log = logging.getLogger("portguard.mqtt")


class AccessError(Exception):
    """A password or a certificate cannot be read; the message names the setting and the reason."""


def password(options: MqttOptions) -> str | None:
    """The password, None where none is set. Raises AccessError."""
    if options.password_env:
        found = os.environ.get(options.password_env)
        if found is None:
            raise AccessError(f"mqtt.password_env: there is no environment variable {options.password_env}")
    elif options.password_file is not None:
        found = _first_line(options.password_file)
    else:
        return None
    if not found or len(found.encode("utf-8", "surrogateescape")) > LONGEST_PASSWORD:
        place = f"mqtt.password_env: {options.password_env}" if options.password_env else (
            f"mqtt.password_file: {options.password_file}"
        )
        raise AccessError(f"{place}: expected a password of 1 to {LONGEST_PASSWORD} octets")
    return found


def tls_context(options: MqttOptions) -> ssl.SSLContext | None:
    """The context of an mqtts:// link: TLS 1.2 or later, the broker's name verified. Raises AccessError."""
    if not options.tls:
        return None
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH) if options.ca is None else _trusting(options.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.sslsocket_class = _Socket
    if options.certificate is not None and options.key is not None:
        _readable("certificate", options.certificate)
        _readable("key", options.key)
        try:
            # An encrypted key would otherwise ask for its passphrase on the terminal.
            context.load_cert_chain(options.certificate, options.key, password=_no_passphrase)
        except (ssl.SSLError, ValueError) as error:
            pair = f"{options.certificate}, {options.key}"
            raise AccessError(f"mqtt.certificate: {pair}: no usable certificate and key ({_reason(error)})") from error
    return context


def warnings(options: MqttOptions) -> list[str]:
    """What works and should be known to whoever starts it."""
    found = []
    path = options.password_file
    if path is not None and path.exists() and stat.S_IMODE(path.stat().st_mode) & stat.S_IROTH:
        found.append(f"mqtt.password_file: every user of this machine can read {path}; chmod o-r")
    host, _ = options.broker()
    if not options.tls and options.username and host not in ("localhost", "::1") and not host.startswith("127."):
        found.append(f"mqtt.url: user and password go to {host} in clear; use mqtts://")
    return found


class _Socket(ssl.SSLSocket):
    """The MQTT library leaves a socket open whose handshake has failed."""

    def do_handshake(self, block: bool = False) -> None:
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            self.close()
            raise


def _trusting(ca: Path) -> ssl.SSLContext:
    _readable("ca", ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(ca)
    except ssl.SSLError as error:
        raise AccessError(f"mqtt.ca: {ca}: no usable CA certificates ({_reason(error)})") from error
    return context


def _first_line(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline(LONGEST_PASSWORD + 2).rstrip("\r\n")
    except OSError as error:
        raise AccessError(f"mqtt.password_file: {path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise AccessError(f"mqtt.password_file: {path}: expected a password in UTF-8") from error


def _readable(setting: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise AccessError(f"mqtt.{setting}: {path}: {(error.strerror or str(error)).lower()}") from error


def _no_passphrase() -> bytes:
    raise ValueError("the key is encrypted; portguard needs one without a passphrase")


def _reason(error: Exception) -> str:
    return getattr(error, "reason", None) or str(error)
