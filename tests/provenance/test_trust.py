"""The trust list: the bundled snapshot, a refreshed one, what is refused, and what verifying makes of it."""

from __future__ import annotations

import dataclasses
import shutil
from datetime import UTC, datetime

import pytest
from verify_world import Signer, foreign

from studio.errors import BadInput, StorageFull
from studio.provenance import trust
from studio.provenance.trust import INDEX, NAME, from_file, refresh, trust_list
from studio.provenance.verify import Verifier
from studio.settings import ROOT


def test_the_bundled_list_is_whole_dated_and_of_authorities(settings):
    from cryptography import x509

    listed = trust_list(settings)
    assert listed.told == "C2PA trust list of 2026-09-24 (30 authorities)"
    for one in x509.load_pem_x509_certificates(listed.pem.encode()):
        assert one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert one.not_valid_after_utc > datetime.now(UTC)
    assert not (settings.home / "trust").exists()


def test_refreshed_list_counts_at_once_in_a_running_verifier(settings, tmp_path):
    signer, path = Signer(), tmp_path / "a.png"
    path.write_bytes(foreign("digitalCapture", signer=signer))
    verifier = Verifier(settings, lambda key: None)
    assert verifier.verify(path).layers[0].state == "unknown_signer"
    listed = refresh(settings, signer.root.encode())
    assert listed.taken == datetime.now(UTC).date() and listed.count == 1
    report = verifier.verify(path)
    assert report.layers[0].state == "listed" and report.trust_list == listed.told
    assert "on the C2PA trust list" in report.statement
    refresh(settings, Signer().root.encode())
    assert verifier.verify(path).layers[0].state == "unknown_signer"


def test_own_key_goes_before_the_list(settings, tmp_path):
    """Whom the operator put on file is this studio's own acquaintance, on the list or not."""
    signer, path = Signer(), tmp_path / "a.png"
    path.write_bytes(foreign("digitalCapture", signer=signer))
    folder = settings.home / "keys" / "trusted"
    folder.mkdir(parents=True)
    (folder / "camera.pem").write_text(signer.root)
    refresh(settings, signer.root.encode())
    assert Verifier(settings, lambda key: None).verify(path).layers[0].state == "trusted"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a list of certificates"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "not a list of certificates"),
        (b"<html>404</html>", "not a list of certificates"),
        (b"x" * (4 * 2**20 + 1), "larger than 4 MB"),
    ],
)
def test_what_is_no_list_changes_nothing(settings, content, sentence):
    with pytest.raises(BadInput, match=sentence):
        refresh(settings, content)
    assert not (settings.home / "trust").exists()


def test_certificates_that_are_no_authorities_are_refused(settings):
    leaf = Signer()
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    pem = x509.load_der_x509_certificate(leaf._today).public_bytes(Encoding.PEM).decode()
    with pytest.raises(BadInput, match="no authorities"):
        refresh(settings, pem.encode())


@pytest.mark.parametrize("name", [NAME, INDEX])
@pytest.mark.parametrize("how", ["gone", "changed"])
def test_damaged_list_is_refused_with_the_remedy(settings, name, how):
    refresh(settings, Signer().root.encode())
    path = settings.home / "trust" / name
    path.unlink() if how == "gone" else path.write_bytes(path.read_bytes()[:-9] + b"x")
    with pytest.raises(BadInput, match="remove the folder"):
        trust_list(settings)


def test_bundled_list_that_is_gone_says_so(settings, tmp_path):
    shutil.copytree(ROOT / "assets/trust", tmp_path / "assets/trust")
    (tmp_path / "assets/trust" / NAME).write_text("x")
    with pytest.raises(BadInput, match="install the studio anew"):
        trust_list(dataclasses.replace(settings, assets=tmp_path / "assets"))


def test_without_a_network_the_way_by_hand_is_named(settings, monkeypatch):
    monkeypatch.setattr(trust, "SOURCE", "https://127.0.0.1:9/list")
    with pytest.raises(BadInput, match="name it with --file"):
        refresh(settings)


def test_list_from_a_file(settings, tmp_path):
    with pytest.raises(BadInput, match="cannot be read"):
        refresh(settings, from_file(tmp_path / "gone"))
    assert refresh(settings, from_file(ROOT / "assets/trust" / NAME)).count == 30


def test_home_that_cannot_be_written(settings):
    settings.home.parent.mkdir(parents=True, exist_ok=True)
    settings.home.write_text("a file where the folder should be")
    with pytest.raises(StorageFull, match="choose another place"):
        refresh(settings, Signer().root.encode())
