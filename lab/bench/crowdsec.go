package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// crowdsecFiles are the least that CrowdSec replays a log with: one routine of
// each kind, a parser for the records and a scenario much like a jail. Its agent
// insists on a local API, which gets a database of its own; simulation keeps
// decisions from being more than written down.
var crowdsecFiles = map[string]string{
	"config.yaml": `common: {daemonize: false, log_media: stdout, log_level: error, working_dir: DIR}
config_paths:
  config_dir: DIR/etc
  data_dir: DIR/data
  simulation_path: DIR/etc/simulation.yaml
  hub_dir: DIR/hub
  index_path: DIR/hub/.index.json
  notification_dir: DIR/etc/notifications
  plugin_dir: DIR/plugins
crowdsec_service: {acquisition_path: DIR/etc/acquis.yaml, parser_routines: 1, buckets_routines: 1, output_routines: 1}
db_config: {type: sqlite, db_path: DIR/data/crowdsec.db, use_wal: true}
api:
  client: {credentials_path: DIR/etc/credentials.yaml}
  server: {log_level: error, listen_uri: "127.0.0.1:18080", profiles_path: DIR/etc/profiles.yaml}
prometheus: {enabled: false}
`,
	"hub/.index.json":              `{"parsers":{},"scenarios":{},"postoverflows":{},"collections":{}}`,
	"etc/simulation.yaml":          "simulation: true\n",
	"etc/acquis.yaml":              "",
	"etc/notifications/.keep":      "",
	"etc/postoverflows/.keep":      "",
	"etc/parsers/s00-raw/.keep":    "",
	"data/.keep":                   "",
	"plugins/.keep":                "",
	"etc/profiles.yaml":            "name: bench\nfilters: ['Alert.Remediation == true']\ndecisions: [{type: ban, duration: 1h}]\non_success: break\n",
	"etc/scenarios/flood.yaml":     "type: leaky\nname: bench/flood\ndescription: flood\nfilter: \"evt.Meta.log_type == 'libp2p'\"\ngroupby: evt.Meta.source_ip\nleakspeed: 2s\ncapacity: 90\nblackhole: 10m\nlabels: {remediation: true}\n",
	"etc/parsers/s01-parse/p.yaml": crowdsecParser,
	"etc/parsers/s02-enrich/t.yaml": `name: bench/time
filter: "evt.StrTime != ''"
statics:
  - {method: ParseDate, expression: evt.StrTime}
  - {target: MarshaledTime, expression: evt.Enriched.MarshaledTime}
`,
}

const crowdsecParser = `name: bench/libp2p
filter: "true"
onsuccess: next_stage
pattern_syntax:
  P2P_PEER: '(?:""|[1-9A-HJ-NP-Za-km-z]{8,128})'
nodes:
  - grok:
      pattern: '^time=%{TIMESTAMP_ISO8601:stamp} level=INFO source=%{NOTSPACE} msg=CANONICAL_PEER_STATUS peer=%{P2P_PEER} addr=/ip[46]/%{IP:source_ip}/%{GREEDYDATA}'
      apply_on: Line.Raw
statics:
  - {meta: log_type, value: libp2p}
  - {meta: source_ip, expression: evt.Parsed.source_ip}
  - {target: evt.StrTime, expression: evt.Parsed.stamp}
`

// runCrowdSec replays a log; its start is part of the figure.
func runCrowdSec(log, dir string) (usage, error) {
	out := filepath.Join(dir, "output")
	dir = filepath.Join(dir, "crowdsec")
	if err := os.RemoveAll(dir); err != nil {
		return usage{}, err
	}
	if err := writeAll(dir, crowdsecFiles); err != nil {
		return usage{}, err
	}
	if err := os.CopyFS(filepath.Join(dir, "etc", "patterns"), os.DirFS("/etc/crowdsec/patterns")); err != nil {
		return usage{}, fmt.Errorf("CrowdSec's grok patterns: %w", err)
	}
	config := filepath.Join(dir, "config.yaml")
	add := exec.Command("cscli", "-c", config, "machines", "add", "bench", "--auto", "-f", filepath.Join(dir, "etc", "credentials.yaml"))
	if b, err := add.CombinedOutput(); err != nil {
		return usage{}, fmt.Errorf("cscli machines add: %w: %s", err, b)
	}
	return measure([]string{"crowdsec", "-c", config, "-dsn", "file://" + log, "-type", "libp2p"}, out)
}
