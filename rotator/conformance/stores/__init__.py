"""The cases of the store suite, by topic; `rotator.conformance.store` puts them together."""
