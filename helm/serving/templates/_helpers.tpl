{{- define "serving.name" -}}
{{ .Values.model }}-{{ .Values.slot }}
{{- end }}

{{- define "serving.labels" -}}
app.kubernetes.io/name: {{ .Values.model }}
app.kubernetes.io/part-of: titlebout
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* What the live Service's selector and the preview Service's know the pods by. */ -}}
{{- define "serving.selector" -}}
titlebout.io/model: {{ .Values.model }}
titlebout.io/slot: {{ .Values.slot }}
{{- end }}

{{- define "serving.pod" -}}
titlebout.io/part: serving
{{ include "serving.selector" . }}
{{- end }}

{{- /* Which release runs here, by verdict or by whose override. People, the registrar and the admission policy read it. */ -}}
{{- define "serving.release" -}}
titlebout.io/release: {{ .Values.release.id | quote }}
titlebout.io/verdict: {{ .Values.release.verdict }}
{{- if eq .Values.release.verdict "override" }}
titlebout.io/override-by: {{ .Values.release.overrideBy | quote }}
titlebout.io/override-reason: {{ .Values.release.overrideReason | quote }}
{{- end }}
{{- end }}

{{- define "serving.toBucket" -}}
{{ hasPrefix "s3://" .Values.inference.url }}
{{- end }}

{{- /* As many pods as the autoscaler wants now, of this slot and of the live one: neither an upgrade nor a switch may take away what the
load called for. */ -}}
{{- define "serving.replicas" -}}
{{- $live := lookup "v1" "Service" .Release.Namespace .Values.model -}}
{{- $wanted := int .Values.replicas.minimum -}}
{{- range $slot := list .Values.slot (dig "spec" "selector" "titlebout.io/slot" .Values.slot $live) | uniq -}}
{{- $running := lookup "apps/v1" "Deployment" $.Release.Namespace (printf "%s-%s" $.Values.model $slot) -}}
{{- $wanted = max $wanted (dig "spec" "replicas" 0 $running | int) -}}
{{- end -}}
{{- min (int .Values.replicas.maximum) $wanted -}}
{{- end }}

{{- define "serving.checkStrategy" -}}
{{- if and (ne .Values.strategy "blue-green") (not (.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1")) -}}
{{- fail (printf "strategy %s of %s: expected the Gateway API (gateway.networking.k8s.io/v1) in this cluster; found none. Next: install a Gateway, or take the model out of `strategies` in environment.yaml, which means blue-green." .Values.strategy .Values.model) -}}
{{- end -}}
{{- end }}

{{- /* The user of every Containerfile in images/; tests/helm compares them. */ -}}
{{- define "serving.user" -}}
1034
{{- end }}
