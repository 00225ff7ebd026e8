"""Source `kubernetes`: the TLS Secrets of a cluster, and for an audit everything else that holds a certificate.

| module | what |
| --- | --- |
| `settings` | what an operator writes, and `settings_from_words` for the command line |
| `source` | the clusters one after the other |
| `look` | one cluster: its namespaces, and what is read in each |
| `unseen` | what may not be read, told once |
"""

from rotator.sources.kubernetes.settings import Also, KubernetesSettings, settings_from_word, settings_from_words
from rotator.sources.kubernetes.source import KubernetesSource

__all__ = ["Also", "KubernetesSettings", "KubernetesSource", "settings_from_word", "settings_from_words"]
