{{- /* The user of every Containerfile in images/; tests/helm compares them. */ -}}
{{- define "batch.user" -}}
1034
{{- end }}

{{- /* A pod of the platform image that runs one command and ends: no token, nothing writable but /tmp. */ -}}
{{- define "batch.pod" -}}
metadata:
  labels: {titlebout.io/part: {{ .part }}, titlebout.io/model: {{ .root.Values.model }}}
spec:
  restartPolicy: Never
  serviceAccountName: {{ .root.Values.serviceAccount }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with .root.Values.priorityClass }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ include "batch.user" . }}
    runAsGroup: {{ include "batch.user" . }}
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: {{ .part }}
      image: {{ .root.Values.image }}
      command: {{ .command | toJson }}
      env:
        - {name: TITLEBOUT_LOG_FORMAT, value: json}
        # the command marks its result with it in the log, and the reader knows the pod's uid
        - {name: TITLEBOUT_OUTPUT_TOKEN, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
        - {name: MLFLOW_TRACKING_USERNAME, valueFrom: {secretKeyRef: {name: mlflow-user-{{ .root.Values.user }}, key: username}}}
        - {name: MLFLOW_TRACKING_PASSWORD, valueFrom: {secretKeyRef: {name: mlflow-user-{{ .root.Values.user }}, key: password}}}
      envFrom: [{secretRef: {name: storage}}]
      resources: {{- toYaml .root.Values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts: [{name: tmp, mountPath: /tmp}]
  volumes: [{name: tmp, emptyDir: {}}]
{{- end }}
