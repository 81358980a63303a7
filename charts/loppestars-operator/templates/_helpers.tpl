{{- define "operator.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "operator.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "operator.name" .) }}
{{- end }}

{{- define "operator.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "operator.labels" -}}
{{ include "operator.selector" . }}
app.kubernetes.io/component: operator
app.kubernetes.io/part-of: loppestars
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The rules for every watched namespace: those the operator's code asks for, and Secrets where they are wanted. */}}
{{- define "operator.rules" -}}
{{ .Files.Get "files/rules.yaml" | trim }}
{{- if or .Values.readSecrets .Values.reserveSecrets }}
- apiGroups: ['']
  resources: [secrets]
  verbs: [get]
{{- end }}
{{- end }}

{{- define "operator.monitored" -}}
{{- if or (eq .Values.monitoring.mode "Enabled") (and (eq .Values.monitoring.mode "Auto") (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) }}true{{ end }}
{{- end }}

{{/* Shell patterns as one regular expression. */}}
{{- define "operator.pattern" -}}
{{- $parts := list }}
{{- range . }}{{ $parts = append $parts (regexQuoteMeta . | replace "\\*" ".*" | replace "\\?" ".") }}{{ end -}}
^({{ join "|" $parts }})$
{{- end }}
