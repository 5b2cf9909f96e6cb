{{- define "team.labels" -}}
app.kubernetes.io/name: team
app.kubernetes.io/part-of: titlebout
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* A role's holders: the group that is always there, and those the company calls so. */ -}}
{{- define "team.subjects" -}}
{{- range concat (list (printf "%s:%s" .root.Values.team .role)) (index .root.Values.groups .role | default list) | uniq }}
- {kind: Group, apiGroup: rbac.authorization.k8s.io, name: {{ . | quote }}}
{{- end }}
{{- end }}

{{- /* Pods by their part. */ -}}
{{- define "team.parts" -}}
{matchExpressions: [{key: titlebout.io/part, operator: In, values: [{{ join ", " . }}]}]}
{{- end }}

{{- /* Pods that Kubeflow Pipelines starts for a run: whatever step they are, Argo labels them so. */ -}}
{{- define "team.runs" -}}
{matchExpressions: [{key: workflows.argoproj.io/workflow, operator: Exists}]}
{{- end }}

{{- define "team.flows" -}}
{{- range . }}
- to: [{ipBlock: {cidr: {{ .cidr }}}}]
  ports: [{{- range $n, $port := .ports }}{{ if $n }}, {{ end }}{port: {{ $port }}, protocol: TCP}{{ end }}]
{{- end }}
{{- end }}

{{- define "team.toPart" -}}
- to: [{podSelector: {matchLabels: {titlebout.io/part: {{ .part }}}}}]
  ports: [{port: {{ .port }}, protocol: TCP}]
{{- end }}

{{- define "team.toProd" -}}
- to:
    - namespaceSelector: {matchLabels: {titlebout.io/team: {{ .Values.team }}, titlebout.io/environment: prod}}
      podSelector: {matchLabels: {titlebout.io/part: storage}}
  ports: [{port: 8333, protocol: TCP}]
{{- end }}

{{- /* The API server calls pods from its own address, from its node's on an overlay network, or, where a cloud runs it elsewhere, through konnectivity's agents. */ -}}
{{- define "team.fromApiServer" -}}
{{- range .Values.apiServer }}
- ipBlock: {cidr: {{ .cidr }}}
{{- end }}
{{- range .Values.apiServerSources }}
- ipBlock: {cidr: {{ . }}}
{{- end }}
{{- range list "k8s-app" "app" }}
- namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kube-system}}
  podSelector: {matchLabels: { {{- . }}: konnectivity-agent}}
{{- end }}
{{- end }}
