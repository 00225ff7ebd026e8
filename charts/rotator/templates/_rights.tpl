{{/*
What rotator may read and write, worked out of the values once; the templates only print it.
YAML: read (namespaces whose Secrets are listed), look (namespaces whose Ingresses, Services and pods are listed),
write (namespace → {secrets, certificates: cert-manager's, workloads: plural → names}), all (a source wants every namespace), also (what the sources
look at beside TLS Secrets).
*/}}
{{- define "rotator.rights" -}}
{{- $config := .Values.config -}}
{{- $read := .Values.namespaces -}}
{{- $all := false -}}
{{- $also := list -}}
{{- range $name, $source := $config.sources -}}
  {{- $kubernetes := dig "kubernetes" "" $source -}}
  {{- if kindIs "map" $kubernetes -}}
    {{- if kindIs "slice" $kubernetes.namespaces -}}
      {{- $read = concat $read $kubernetes.namespaces -}}
    {{- else if eq (toString $kubernetes.namespaces) "all" -}}
      {{- $all = true -}}
    {{- end -}}
    {{- $also = concat $also (default list $kubernetes.also) -}}
    {{- if $kubernetes.everything -}}
      {{- $also = concat $also (list "config-maps" "consumers") -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- if and (empty $read) (not $all) -}}
  {{- $read = list .Release.Namespace -}}
{{- end -}}
{{- $read = $read | uniq | sortAlpha -}}
{{- $write := dict -}}
{{- if eq (include "rotator.rotates" .) "true" -}}
  {{- range $namespace, $names := .Values.rotate.secrets -}}
    {{- range $names -}}
      {{- include "rotator.allow" (dict "write" $write "namespace" $namespace "plural" "secrets" "name" .) -}}
    {{- end -}}
  {{- end -}}
  {{- range $namespace, $names := .Values.rotate.certificates -}}
    {{- range $names -}}
      {{- include "rotator.allow" (dict "write" $write "namespace" $namespace "plural" "certificates" "name" .) -}}
    {{- end -}}
  {{- end -}}
  {{- range $namespace, $names := .Values.rotate.workloads -}}
    {{- range $names -}}
      {{- include "rotator.allowWorkload" (dict "write" $write "namespace" $namespace "workload" .) -}}
    {{- end -}}
  {{- end -}}
  {{- range $certificate := $config.certificates -}}
    {{- if eq (default (default "observe" $config.mode) $certificate.mode) "rotate" -}}
      {{- range $target := $certificate.targets -}}
        {{- $secret := dig "kubernetes_secret" "" $target -}}
        {{- if kindIs "map" $secret -}}
          {{- include "rotator.allow" (dict "write" $write "namespace" $secret.namespace "plural" "secrets" "name" $secret.name) -}}
          {{- range $target.restart -}}
            {{- include "rotator.allowWorkload" (dict "write" $write "namespace" $secret.namespace "workload" .) -}}
          {{- end -}}
        {{- end -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $look := concat $read (keys $write) | uniq | sortAlpha -}}
{{- dict "read" $read "look" $look "write" $write "all" $all "also" $also | toYaml -}}
{{- end -}}

{{/* Whether anything in the config says `rotate`. */}}
{{- define "rotator.rotates" -}}
{{- $found := eq (default "observe" .Values.config.mode) "rotate" -}}
{{- range concat (default list .Values.config.adopt) (default list .Values.config.certificates) -}}
  {{- if eq (default "" .mode) "rotate" -}}{{- $found = true -}}{{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/* Note in `write` that a name of a plural may be written in a namespace. */}}
{{- define "rotator.allow" -}}
{{- $there := default dict (get .write .namespace) -}}
{{- $names := append (default list (get $there .plural)) .name | uniq | sortAlpha -}}
{{- $_ := set $there .plural $names -}}
{{- $_ := set .write .namespace $there -}}
{{- end -}}

{{- define "rotator.allowWorkload" -}}
{{- $parts := splitList "/" .workload -}}
{{- $plurals := dict "Deployment" "deployments" "StatefulSet" "statefulsets" "DaemonSet" "daemonsets" -}}
{{- if or (ne (len $parts) 2) (not (hasKey $plurals (first $parts))) -}}
  {{- fail (printf "%q is no workload; write Deployment/name, StatefulSet/name or DaemonSet/name" .workload) -}}
{{- end -}}
{{- include "rotator.allow" (dict "write" .write "namespace" .namespace "plural" (get $plurals (first $parts)) "name" (last $parts)) -}}
{{- end -}}

{{/* The rules for what the sources look at beside TLS Secrets; nothing where that is not wanted. */}}
{{- define "rotator.alsoRules" -}}
{{- if has "config-maps" .also }}
# CA bundles.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, list]
{{- end }}
{{- if has "consumers" .also }}
# Whether a Gateway may take a Secret of another namespace.
- apiGroups: [gateway.networking.k8s.io]
  resources: [referencegrants]
  verbs: [get, list]
{{- end }}
{{- end -}}

{{/* The rules that find out which endpoints serve a Secret. */}}
{{- define "rotator.lookRules" -}}
- apiGroups: [""]
  resources: [services, pods]
  verbs: [get, list]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list]
- apiGroups: [gateway.networking.k8s.io]
  resources: [gateways, httproutes]
  verbs: [get, list]
{{- end -}}

{{/*
What the issuers in `config` that ask this cluster for signatures need; nothing where nothing rotates.
YAML: csr (whether CertificateSigningRequests are made), approve (signers whose requests rotator approves itself),
clusterIssuers (cert-manager's, to see whether they are ready), in (namespace → {configmaps: names of those with a CA,
issuers: cert-manager's, certificaterequests: [any] where some are made}).
*/}}
{{- define "rotator.signing" -}}
{{- $csr := false -}}
{{- $approve := list -}}
{{- $clusterIssuers := list -}}
{{- $in := dict -}}
{{- $root := . -}}
{{- if eq (include "rotator.rotates" .) "true" -}}
  {{- range $name, $issuer := .Values.config.issuers -}}
    {{- range $kind := list "kubernetes_csr" "cert_manager" -}}
      {{- $settings := dig $kind "" $issuer -}}
      {{- if and (kindIs "map" $settings) (not $settings.kubeconfig) (not $settings.kube_context) -}}
        {{- with dig "ca" "config_map" "" $settings -}}
          {{- include "rotator.allow" (dict "write" $in "namespace" (default $root.Release.Namespace .namespace) "plural" "configmaps" "name" .name) -}}
        {{- end -}}
        {{- if eq $kind "kubernetes_csr" -}}
          {{- $csr = true -}}
          {{- if $settings.approve -}}{{- $approve = append $approve $settings.signer -}}{{- end -}}
        {{- else -}}
          {{- $namespace := default $root.Release.Namespace $settings.namespace -}}
          {{- include "rotator.allow" (dict "write" $in "namespace" $namespace "plural" "certificaterequests" "name" "any") -}}
          {{- if eq (default "Issuer" $settings.issuer.kind) "Issuer" -}}
            {{- include "rotator.allow" (dict "write" $in "namespace" $namespace "plural" "issuers" "name" $settings.issuer.name) -}}
          {{- else if eq $settings.issuer.kind "ClusterIssuer" -}}
            {{- $clusterIssuers = append $clusterIssuers $settings.issuer.name -}}
          {{- end -}}
        {{- end -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- dict "csr" $csr "approve" ($approve | uniq | sortAlpha) "clusterIssuers" ($clusterIssuers | uniq | sortAlpha) "in" $in | toYaml -}}
{{- end -}}

{{/*
Where the ACME issuers in `config` make objects that lead a CA's requests to this pod; nothing where nothing rotates.
YAML: namespace → {ingresses, httproutes, endpointslices: whether they are made there}.
*/}}
{{- define "rotator.challenges" -}}
{{- $found := dict -}}
{{- $root := . -}}
{{- if eq (include "rotator.rotates" .) "true" -}}
  {{- range $name, $issuer := .Values.config.issuers -}}
    {{- $acme := default dict (dig "acme" dict $issuer) -}}
    {{- range $way := append (default list $acme.solvers) $acme -}}
      {{- $kubernetes := dig "http01" "kubernetes" "" $way -}}
      {{- if and (kindIs "map" $kubernetes) (not $kubernetes.kubeconfig) (not $kubernetes.kube_context) -}}
        {{- $namespace := default $root.Release.Namespace $kubernetes.namespace -}}
        {{- $there := default dict (get $found $namespace) -}}
        {{- $_ := set $there (ternary "httproutes" "ingresses" (kindIs "map" $kubernetes.gateway)) true -}}
        {{- if not $kubernetes.selector -}}{{- $_ := set $there "endpointslices" true -}}{{- end -}}
        {{- $_ := set $found $namespace $there -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $found | toYaml -}}
{{- end -}}
