import pytest
from cryptography.fernet import Fernet

from tillhouse.kernel.vault import UnreadableSecret, Vault

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_a_sealed_text_is_opened_and_never_the_same_twice() -> None:
    vault = Vault([OLD])
    assert vault.open(vault.seal("ABCDE1234F")) == "ABCDE1234F"
    assert vault.seal("ABCDE1234F") != vault.seal("ABCDE1234F")
    assert b"ABCDE" not in vault.seal("ABCDE1234F")


def test_after_rotation_the_new_key_alone_opens() -> None:
    sealed = Vault([OLD]).seal("account 50100")
    both = Vault([NEW, OLD])
    assert both.open(sealed) == "account 50100"
    assert Vault([NEW]).open(both.rotate(sealed)) == "account 50100"


def test_a_changed_or_foreign_ciphertext_is_refused() -> None:
    sealed = Vault([OLD]).seal("x")
    with pytest.raises(UnreadableSecret):
        Vault([NEW]).open(sealed)
    with pytest.raises(UnreadableSecret):
        Vault([OLD]).open(sealed[:-2] + b"AA")


def test_a_vault_without_keys_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Vault([])
