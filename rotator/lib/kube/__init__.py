"""Kubernetes as rotator reads and writes it: raw JSON over the official client's configuration and transport.

| module | what |
| --- | --- |
| `resources` | kinds of the API and their paths |
| `objects` | the few fields that are read, as msgspec structs |
| `errors` | what the API refused, as a sentence with the missing right |
| `transport` | kubeconfig or in-cluster credentials, one request |
| `cluster` | get, list in pages, patch, create; the cluster's identity |
| `secrets` | a TLS Secret as an observation |
| `owners` | who else writes a Secret |
| `references`, `pods` | which endpoints serve a Secret |
| `webhooks` | which Secrets the API server itself depends on |
| `workloads` | restart a workload and wait for it |
"""
