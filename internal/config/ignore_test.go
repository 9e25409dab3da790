package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const ignorePeer = "12D3KooWSkDLa9E892cyU4PoKkQ3pi8QGVXRTsY7daYYUDmLKGY4"

func writeIn(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestIgnoreFiles(t *testing.T) {
	dir := t.TempDir()
	list := writeIn(t, dir, "never.txt", "# friends\n192.0.2.7\n\n198.51.100.0/24 # office\n"+ignorePeer+"\n")
	kubo := writeIn(t, dir, "kubo.json", `{"Bootstrap": ["auto", "/dnsaddr/bootstrap.libp2p.io/p2p/`+ignorePeer+`", "/ip4/203.0.113.9/tcp/4001/p2p/`+ignorePeer+`"],
		"Peering": {"Peers": [{"ID": "`+ignorePeer+`", "Addrs": ["/dns4/example.com/tcp/4001", "/ip6/2001:db8::9/tcp/4001"]}]},
		"Swarm": {"RelayClient": {"StaticRelays": ["/ip4/203.0.113.99/udp/4001/quic-v1/p2p/`+ignorePeer+`"]}}}`)
	toml := writeIn(t, dir, "p2pban.toml", `
[jail.libp2p-flood]
ignoreip = ["192.0.2.1", "file:`+list+`", "kubo:`+kubo+`"]
`)
	c, err := Load(toml)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"192.0.2.1",
		"192.0.2.7", "198.51.100.0/24", ignorePeer,
		"/dnsaddr/bootstrap.libp2p.io/p2p/" + ignorePeer, "/ip4/203.0.113.9/tcp/4001/p2p/" + ignorePeer,
		"/ip4/203.0.113.99/udp/4001/quic-v1/p2p/" + ignorePeer,
		ignorePeer, "/ip6/2001:db8::9/tcp/4001",
	}
	if got := c.Jails[0].IgnoreIP; !slices.Equal(got, want) {
		t.Errorf("ignoreip = %q,\nwant %q", got, want)
	}
}

func TestIgnoreFileFaults(t *testing.T) {
	dir := t.TempDir()
	bad := writeIn(t, dir, "bad.txt", "192.0.2.7\nnobody\n10.0.0.0/33\n")
	noJSON := writeIn(t, dir, "kubo.json", "hello")
	names := writeIn(t, dir, "names.json", `{"Bootstrap": ["/dns4/example.com/tcp/4001"]}`)
	toml := writeIn(t, dir, "p2pban.toml", `
[jail.libp2p-flood]
ignoreip = [
  "file:`+bad+`",
  "file:`+dir+`/none.txt",
  "kubo:`+noJSON+`",
  "kubo:`+names+`",
  "file:friends.txt",
  "kubo:.ipfs/config",
]
`)
	_, err := Load(toml)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"p2pban.toml:4", "bad.txt:2: \"nobody\"", "bad.txt:3: \"10.0.0.0/33\"",
		"p2pban.toml:5", "none.txt: no such file",
		"p2pban.toml:6", "is no configuration of Kubo",
		"p2pban.toml:7", "names an address or a peer id",
		"p2pban.toml:8", `"friends.txt" is not an absolute path`,
		"p2pban.toml:9", `".ipfs/config" is not an absolute path`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
}
