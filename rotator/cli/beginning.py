"""The config that `rotator config init` writes: it harms nothing as it stands, and says what to do next."""

from __future__ import annotations

BEGINNING = """\
# rotator: a configuration to begin with. Everything else it can say: config.example.yaml, `rotator config schema`.
#
#   rotator config check     is it right, and what does each rule match?
#   rotator plan             what would be done, when, and why; changes nothing
#   rotator run              look, plan and alert; with `mode: rotate` also renew

# observe looks, plans and alerts: no issuer is called and nothing is written. Say rotate when the plan reads well.
mode: observe

# Plans, history and sealed keys; the key that seals them is made beside it.
state: /var/lib/rotator/state.db

# Places to look for certificates; they are only read.
sources:
  disk:
    files: ["/etc/ssl/services/**/*.crt"]
  # public:
  #   endpoints: ["shop.example.com:443", "smtp://mail.example.com:587"]
  # cluster:
  #   kubernetes: {namespaces: [shop]}

# Who signs. This is Let's Encrypt's staging directory: clients do not trust what it issues, and trying costs nothing.
# Say `directory: letsencrypt` and `agree_terms: true` (you agree to their terms) when you mean it.
issuers:
  letsencrypt:
    acme:
      directory: letsencrypt-staging
      agree_terms: false
      http01: {webroot: /var/www/acme}

# Found certificates become managed ones; {} matches everything that the source finds.
adopt:
  - from: disk
    match: {}
    issuer: letsencrypt
    reload: [systemctl, reload, nginx]

# Who is told. `none` is an answer, too; readers of the log alone are told by `log`.
alerts:
  everybody:
    log: {}
  # oncall:
  #   pagerduty: {routing_key: "${file:/etc/rotator/pagerduty.key}"}
  #   at_least: critical
"""
