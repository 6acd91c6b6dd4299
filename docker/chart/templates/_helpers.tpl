{{/* The name of everything: release and chart, once. */}}
{{- define "dreyer.name" -}}
{{- if contains "dreyer" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-dreyer{{ end }}
{{- end }}

{{/* Labels that select pods; the second argument is the part they play. */}}
{{- define "dreyer.selector" -}}
app.kubernetes.io/name: dreyer
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "dreyer.labels" -}}
{{ include "dreyer.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ (index . 0).Chart.Name }}-{{ (index . 0).Chart.Version }}
{{- end }}

{{- define "dreyer.account" -}}
{{- if .Values.serviceAccount.create }}{{ include "dreyer.name" . }}{{ else }}default{{ end }}
{{- end }}

{{/*
A pod: context, part ("server" or "worker"), values of the part, arguments, ports.
The grace period is the time to drain, and the time in which others hear that the pod takes no more.
*/}}
{{- define "dreyer.pod" -}}
{{- $root := index . 0 }}{{ $part := index . 1 }}{{ $own := index . 2 }}{{ $arguments := index . 3 }}{{ $ports := index . 4 -}}
metadata:
  labels:
    {{- include "dreyer.labels" (list $root $part) | nindent 4 }}
  annotations:
    # Pods are replaced when their configuration changes.
    checksum/config: {{ include "dreyer.toml" (list $root $own) | sha256sum }}
spec:
  serviceAccountName: {{ include "dreyer.account" $root }}
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: {{ add $root.Values.drainSeconds 15 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    seccompProfile:
      type: RuntimeDefault
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "dreyer.selector" (list $root $part) | nindent 10 }}
  {{- with $own.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $own.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: {{ $part }}
      image: "{{ $root.Values.image.repository }}:{{ $root.Values.image.tag | default $root.Chart.AppVersion }}"
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args:
        {{- range concat (list (first $arguments)) $root.Values.roots (rest $arguments) }}
        - {{ . | quote }}
        {{- end }}
      {{- with $root.Values.credentialsSecret }}
      envFrom:
        - secretRef:
            name: {{ . }}
      {{- end }}
      ports:
        {{- range $name, $port := $ports }}
        - name: {{ $name }}
          containerPort: {{ $port }}
        {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      # Memory is what is asked for and no more: a pod that is killed for it loses queries.
      resources:
        requests:
          cpu: {{ $own.resources.cpu | quote }}
          memory: {{ $own.resources.memory | quote }}
          ephemeral-storage: {{ $own.spill | quote }}
        limits:
          memory: {{ $own.resources.memory | quote }}
          ephemeral-storage: {{ $own.spill | quote }}
      # Catalogues are looked at before the door opens: many of them take a while.
      startupProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 2
        failureThreshold: 150
      readinessProbe:
        httpGet: { path: /readyz, port: http }
        periodSeconds: 2
        failureThreshold: 1
      livenessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      volumeMounts:
        - { name: config, mountPath: /etc/dreyer/config, readOnly: true }
        - { name: spill, mountPath: /spill }
        {{- if $root.Values.cluster.tokenSecret }}
        - { name: token, mountPath: /etc/dreyer/token, readOnly: true }
        {{- end }}
        {{- if $root.Values.cluster.tlsSecret }}
        - { name: tls, mountPath: /etc/dreyer/tls, readOnly: true }
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "dreyer.name" $root }}-{{ $part }}
    - name: spill
      emptyDir:
        sizeLimit: {{ $own.spill | quote }}
    {{- with $root.Values.cluster.tokenSecret }}
    - name: token
      secret:
        secretName: {{ . }}
        items: [{ key: token, path: token }]
    {{- end }}
    {{- with $root.Values.cluster.tlsSecret }}
    - name: tls
      secret:
        secretName: {{ . }}
    {{- end }}
{{- end }}

{{/* The configuration of a part: context, values of the part. */}}
{{- define "dreyer.toml" -}}
{{- $root := index . 0 }}{{ $own := index . 1 -}}
[limits]
drain_s = {{ $root.Values.drainSeconds }}
spill_dir = "/spill"

[cluster]
min_scan_bytes = {{ int64 $root.Values.cluster.minScanBytes }}
{{- if $root.Values.cluster.tokenSecret }}
token_file = "/etc/dreyer/token/token"
{{- end }}
{{- if $root.Values.cluster.tlsSecret }}
tls_cert = "/etc/dreyer/tls/tls.crt"
tls_key = "/etc/dreyer/tls/tls.key"
tls_ca = "/etc/dreyer/tls/ca.crt"
tls_name = "{{ include "dreyer.name" $root }}-workers"
{{- end }}
{{ with $root.Values.config }}
{{ . }}
{{- end }}
{{- end }}
