"""Source `vault`: certificates in Vault or OpenBao."""

from rotator.sources.vault.source import VaultSource, VaultSourceSettings
from rotator.sources.vault.words import settings_from_word

__all__ = ["VaultSource", "VaultSourceSettings", "settings_from_word"]
