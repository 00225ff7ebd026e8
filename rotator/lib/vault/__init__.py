"""Vault and OpenBao: where it is, who we are to it, and what its answers mean. For every plugin that talks to one."""

from rotator.lib.vault.client import Answer, Vault, VaultError, data_of
from rotator.lib.vault.settings import KubernetesAuth, VaultAuth, VaultSettings, api_path

__all__ = ["Answer", "KubernetesAuth", "Vault", "VaultAuth", "VaultError", "VaultSettings", "api_path", "data_of"]
