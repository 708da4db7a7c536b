"""TLS on both sides, and files that cannot be used."""

import os
import shutil
import ssl
from pathlib import Path

import pytest

from portguard.net.options import ClientTlsOptions, ServerTlsOptions
from portguard.net.tls import TlsError, client_context, server_context
from tests.net.certificates import certificate
from tests.net.loopback import echo, on_uvloop, proxy, smsc, until
from tests.net.passthrough import QUIT

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


def test_both_sides_speak_tls(files: tuple[Path, Path]) -> None:
    crt, key = files

    async def main() -> None:
        server = server_context(ServerTlsOptions(crt, key, client_ca=crt))
        client = client_context(ClientTlsOptions(ca=crt, certificate=crt, key=key))
        ours = ClientTlsOptions(ca=crt, certificate=crt, key=key)
        async with smsc(echo, server, tls=ours) as first, proxy(first, context=server) as running:
            reader, writer = await running.client(context=client)
            block = b"y" * 300_000
            writer.write(block)
            assert await reader.readexactly(len(block)) == block
            writer.write(QUIT)
            assert await reader.readexactly(3) == b"bye"
            assert await reader.read() == b""
            await until(running.relay.idle)

    on_uvloop(main())


def test_end_of_a_tls_client_ends_its_link(files: tuple[Path, Path]) -> None:
    crt, key = files

    async def main() -> None:
        server = server_context(ServerTlsOptions(crt, key))
        async with smsc(echo) as first, proxy(first, context=server) as running:
            running.relay.owes_after_eof = True
            _, writer = await running.client(context=client_context(ClientTlsOptions(ca=crt)))
            writer.close()
            await until(running.relay.idle)
            assert running.listener.connections == 0

    on_uvloop(main())


def test_client_without_a_certificate_gets_no_link(files: tuple[Path, Path]) -> None:
    crt, key = files

    async def main() -> None:
        server = server_context(ServerTlsOptions(crt, key, client_ca=crt))
        async with smsc(echo) as first, proxy(first, context=server) as running:
            with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
                reader, _ = await running.connect(context=client_context(ClientTlsOptions(ca=crt)))
                await reader.readexactly(5)
            await until(lambda: running.listener.connections == 0)
            assert running.relay.calls.count("smsc_open") == 0

    on_uvloop(main())


def test_smsc_with_a_foreign_certificate_is_not_spoken_to(files: tuple[Path, Path], tmp_path: Path) -> None:
    crt, key = files
    other, _ = certificate(tmp_path, "other")

    async def main() -> None:
        server = server_context(ServerTlsOptions(crt, key))
        async with smsc(echo, server, tls=ClientTlsOptions(ca=other)) as first, proxy(first) as running:
            reader, _ = await running.connect()
            assert await reader.read() == b"bind failed"

    on_uvloop(main())


def test_plain_connection_to_a_tls_address_times_out_and_gives_its_place_back(files: tuple[Path, Path]) -> None:
    crt, key = files

    async def main() -> None:
        server = server_context(ServerTlsOptions(crt, key))
        async with smsc(echo) as first, proxy(first, context=server, bind_timeout=0.2) as running:
            reader, _ = await running.connect(b"")
            await until(lambda: running.listener.connections == 1)
            with pytest.raises(ConnectionError):
                assert await reader.read() == b""
                raise ConnectionError
            assert running.listener.connections == 0
            assert running.listener.refused["handshake"] == 1

    on_uvloop(main())


def test_unusable_files_are_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    _, key = files
    with pytest.raises(TlsError, match=r"absent\.crt: no such file"):
        server_context(ServerTlsOptions(tmp_path / "absent.crt", key))
    broken = tmp_path / "broken.crt"
    broken.write_text("no certificate")
    with pytest.raises(TlsError, match=r"broken\.crt"):
        server_context(ServerTlsOptions(broken, key))
    with pytest.raises(TlsError, match=r"broken\.crt: no usable CA"):
        client_context(ClientTlsOptions(ca=broken))
    if os.geteuid() != 0:
        broken.chmod(0)
        with pytest.raises(TlsError, match="permission denied"):
            client_context(ClientTlsOptions(ca=broken))


def test_client_context_by_setting() -> None:
    assert client_context(False) is None
    trusting = client_context(ClientTlsOptions(verify=False))
    assert trusting is not None
    assert trusting.verify_mode == ssl.CERT_NONE
    strict = client_context(True)
    assert strict is not None
    assert strict.check_hostname
