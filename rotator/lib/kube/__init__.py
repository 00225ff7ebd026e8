"""Kubernetes as rotator reads and writes it: raw JSON over the official client's configuration and transport.

| module | what |
| --- | --- |
| `resources` | kinds of the API and their paths |
| `objects` | the few fields that are read, as msgspec structs |
| `errors` | what the API refused, as a sentence with the missing right |
| `transport` | kubeconfig or in-cluster credentials, one request |
| `cluster` | get, list in pages, patch, create; the cluster's identity |
| `reading` | lists of one namespace or of all; what may not be read |
| `secrets` | a TLS Secret as an observation |
| `chains`, `alike`, `plain`, `der` | certificates and keys by the thousand, read as `core.pem` reads them |
| `contents`, `values` | certificates anywhere else in Secrets, ConfigMaps and caBundles |
| `owners` | who else writes a Secret |
| `references`, `fronts`, `pods` | which endpoints serve a Secret |
| `consumers`, `podspec` | what takes a certificate from a Secret, and whether it sees a renewal |
| `webhooks` | which Secrets the API server itself depends on |
| `workloads` | restart a workload and wait for it |
"""
