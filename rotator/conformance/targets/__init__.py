"""The cases of the target suite, by topic; `rotator.conformance.target` puts them together."""
