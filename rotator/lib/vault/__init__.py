"""Vault and OpenBao: where it is, who we are to it, and what its answers mean. For every plugin that talks to one."""

from rotator.lib.vault.auth import AppRoleAuth, AwsAuth, CertificateAuth, JwtAuth, KubernetesAuth, VaultAuth
from rotator.lib.vault.client import Answer, Vault, data_of
from rotator.lib.vault.errors import VaultError
from rotator.lib.vault.paths import api_path
from rotator.lib.vault.settings import VaultSettings

__all__ = [
    "Answer",
    "AppRoleAuth",
    "AwsAuth",
    "CertificateAuth",
    "JwtAuth",
    "KubernetesAuth",
    "Vault",
    "VaultAuth",
    "VaultError",
    "VaultSettings",
    "api_path",
    "data_of",
]
