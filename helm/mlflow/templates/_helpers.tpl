{{- define "mlflow.labels" -}}
app.kubernetes.io/name: {{ .part }}
app.kubernetes.io/part-of: titlebout
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{- /* What selects the pods of a part, and what the team's network policies know them by. */ -}}
{{- define "mlflow.pod" -}}
titlebout.io/part: {{ . }}
app.kubernetes.io/component: server
{{- end }}

{{- define "mlflow.digest" -}}
{{- if not (regexMatch "@sha256:[0-9a-f]{64}$" .image) -}}
{{- fail (printf "%s: expected an image by digest, REPOSITORY@sha256:…; found %q" .value .image) -}}
{{- end -}}
{{ .image }}
{{- end }}

{{- /* Pod Security `restricted`; user is numeric because images name theirs by number too. */ -}}
{{- define "mlflow.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "mlflow.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* A Secret's value as it is in the cluster, else a new one: made once, kept over upgrades. */ -}}
{{- define "mlflow.kept" -}}
{{- $found := (lookup "v1" "Secret" .root.Release.Namespace .secret).data | default dict -}}
{{- if hasKey $found .key -}}{{ index $found .key | b64dec }}{{- else -}}{{ randAlphaNum (int .length) }}{{- end -}}
{{- end }}

{{- /* A part's claim. Kubernetes changes no StatefulSet's claims: size and class are the values' until it is made, and then as it was made. */ -}}
{{- define "mlflow.claim" -}}
{{- $values := index .root.Values .part -}}
{{- $size := $values.size -}}
{{- $class := $values.storageClass -}}
{{- with lookup "apps/v1" "StatefulSet" .root.Release.Namespace .part -}}
{{- $made := (first .spec.volumeClaimTemplates).spec -}}
{{- $size = $made.resources.requests.storage -}}
{{- $class = $made.storageClassName -}}
{{- end -}}
accessModes: [ReadWriteOnce]
{{- with $class }}
storageClassName: {{ . }}
{{- end }}
resources: {requests: {storage: {{ $size }}}}
{{- end }}

{{- /* Warn before a part's volume is full. A failed probe is an Event of the pod; the threshold is one that restarts nothing. */ -}}
{{- define "mlflow.disk" -}}
{{- $most := int .root.Values.volumeWarning -}}
name: disk
image: {{ include "mlflow.digest" (dict "image" .root.Values.image "value" "image") }}
command: [sh, -c, "trap exit TERM; sleep infinity & wait"]
livenessProbe:
  exec:
    command:
      - sh
      - -c
      - |
        used=$(df --output=pcent /data | tr -dc 0-9)
        [ "$used" -lt {{ $most }} ] && exit 0
        echo "volume data-{{ .part }}-0 is $used % full, expected less than {{ $most }} %: grow its claim, docs/volumes.md tells how"
        exit 1
  periodSeconds: 60
  timeoutSeconds: 10
  failureThreshold: 1000000
resources:
  requests: {cpu: 5m, memory: 8Mi}
  limits: {cpu: 100m, memory: 32Mi}
securityContext: {{- include "mlflow.containerSecurity" . | nindent 2 }}
volumeMounts: [{name: data, mountPath: /data, readOnly: true}]
{{- end }}

{{- define "mlflow.users" -}}
{{- toJson (concat (list "admin" "releaser") (keys .Values.access | sortAlpha)) -}}
{{- end }}

{{- /* Everybody's password, as JSON. One that is made up is the same wherever this rendering asks: it is kept among the values. */ -}}
{{- define "mlflow.passwords" -}}
{{- if not (hasKey .Values "passwords") -}}
{{- $passwords := dict -}}
{{- range $user := include "mlflow.users" . | fromJsonArray -}}
{{- $_ := set $passwords $user (include "mlflow.kept" (dict "root" $ "secret" (printf "mlflow-user-%s" $user) "key" "password" "length" 32)) -}}
{{- end -}}
{{- $_ := set .Values "passwords" $passwords -}}
{{- end -}}
{{- toJson .Values.passwords -}}
{{- end }}

{{- /* The server takes the admin's password once, into its database: a new one would open nothing. */ -}}
{{- define "mlflow.requireAdmin" -}}
{{- $namespace := .Release.Namespace -}}
{{- if and (not (lookup "v1" "Secret" $namespace "mlflow-user-admin")) (or (lookup "v1" "PersistentVolumeClaim" $namespace "data-database-0") (lookup "apps/v1" "Deployment" $namespace "mlflow")) -}}
{{- fail (printf "Secret mlflow-user-admin of %s: expected the password that MLflow's database knows; found none. Next: restore the Secret from a backup; without it accounts cannot be changed" $namespace) -}}
{{- end -}}
{{- end }}

{{- define "mlflow.allowedHosts" -}}
{{- $hosts := list "127.0.0.1:*" "localhost:*" -}}
{{- range $suffix := list "" (printf ".%s" .Release.Namespace) (printf ".%s.svc" .Release.Namespace) (printf ".%s.svc.cluster.local" .Release.Namespace) -}}
{{- $hosts = concat $hosts (list (printf "mlflow%s" $suffix) (printf "mlflow%s:5000" $suffix)) -}}
{{- end -}}
{{- join "," (concat $hosts .Values.allowedHosts) -}}
{{- end }}

{{- /* A browser that shows the server's pages under another name asks in that name, too; behind TLS, for a password goes along. */ -}}
{{- define "mlflow.allowedOrigins" -}}
{{- range $n, $host := .Values.allowedHosts }}{{ if $n }},{{ end }}https://{{ $host }}{{ end -}}
{{- end }}

{{- /* What titlebout.registry.pod reads. */ -}}
{{- define "mlflow.settings" -}}
- {name: TITLEBOUT_ENVIRONMENT, value: {{ .Values.environment }}}
- {name: TITLEBOUT_MLFLOW_DATABASE, valueFrom: {secretKeyRef: {name: database, key: mlflow}}}
- {name: TITLEBOUT_MLFLOW_ACCOUNTS, valueFrom: {secretKeyRef: {name: database, key: accounts}}}
- {name: TITLEBOUT_MLFLOW_ARTIFACTS, value: s3://{{ .Values.storage.buckets.artifacts }}}
- {name: MALLOC_ARENA_MAX, value: "2"}  # read before Python starts: more arenas cost memory and gain nothing
{{- end }}

{{- /* The user of every Containerfile in images/; tests/helm compares them. */ -}}
{{- define "mlflow.user" -}}
1034
{{- end }}
