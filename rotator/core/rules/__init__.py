"""The catalogue of the audit: every rule with its check, pure."""
