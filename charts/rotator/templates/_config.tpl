{{/* The config file: what the values say, and the chart's own places where they say nothing. */}}
{{- define "rotator.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- if not $config.sources -}}
  {{- $rights := include "rotator.rights" . | fromYaml -}}
  {{- $namespaces := ternary "all" $rights.read (and .Values.rbac.clusterWide (empty .Values.namespaces)) -}}
  {{- $_ := set $config "sources" (dict "cluster" (dict "kubernetes" (dict "namespaces" $namespaces))) -}}
{{- end -}}
{{- if not $config.state -}}
  {{- $state := dict "url" "/var/lib/rotator/state.db" -}}
  {{- if .Values.stateKey.existingSecret -}}
    {{- $_ := set $state "key" (printf "${file:/etc/rotator/state/%s}" .Values.stateKey.key) -}}
  {{- end -}}
  {{- $_ := set $config "state" $state -}}
{{- end -}}
{{- if not $config.web -}}
  {{- $_ := set $config "web" (dict "listen" "0.0.0.0:8080") -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
