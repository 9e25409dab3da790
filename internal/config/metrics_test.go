package config

import (
	"strings"
	"testing"
)

func TestMetricsListen(t *testing.T) {
	for text, want := range map[string]Metrics{
		"127.0.0.1:9847":                {"tcp", "127.0.0.1:9847"},
		"127.8.0.1:1":                   {"tcp", "127.8.0.1:1"},
		"[::1]:9847":                    {"tcp", "[::1]:9847"},
		"unix:/run/p2pban/metrics.sock": {"unix", "/run/p2pban/metrics.sock"},
	} {
		if got, err := parseListen(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"0.0.0.0:9847":                      "not a loopback address",
		"[::]:9847":                         "not a loopback address",
		"192.0.2.1:9847":                    "not a loopback address",
		"[::ffff:192.0.2.1]:9847":           "not a loopback address",
		":9847":                             "no loopback address",
		"localhost:9847":                    "no loopback address", // its meaning is in a file or with a resolver
		"127.0.0.1":                         "no loopback address",
		"127.0.0.1:0":                       "no port",
		"127.0.0.1:65536":                   "no loopback address",
		"":                                  "no loopback address",
		"unix:metrics.sock":                 "not an absolute path",
		"unix:/" + strings.Repeat("x", 107): "at most 107 bytes",
	} {
		if got, err := parseListen(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want an error with %q", text, got, err, want)
		}
	}
}

// TestMetricsInFile holds that the fault is told with its place and its cure,
// and that metrics are off unless asked for.
func TestMetricsInFile(t *testing.T) {
	dir := t.TempDir()
	bad := writeIn(t, dir, "bad.toml", "[jail.libp2p-flood]\n[metrics]\nlisten = \"0.0.0.0:9847\"\n")
	_, err := Load(bad)
	if err == nil {
		t.Fatal("metrics for the whole network are accepted")
	}
	for _, want := range []string{"bad.toml:3", "metrics.listen", "not a loopback address", `"127.0.0.1:9847"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	c, err := Load(writeIn(t, dir, "off.toml", "[jail.libp2p-flood]\n"))
	if err != nil || c.Metrics != (Metrics{}) {
		t.Errorf("without [metrics]: %+v, %v; want none", c, err)
	}
	c, err = Load(writeIn(t, dir, "on.toml", "[jail.libp2p-flood]\n[metrics]\nlisten = \"[::1]:9847\"\n"))
	if err != nil || c.Metrics != (Metrics{"tcp", "[::1]:9847"}) {
		t.Errorf("with [metrics]: %+v, %v", c, err)
	}
}
