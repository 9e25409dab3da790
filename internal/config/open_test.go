package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestFilesOthersMayReplace holds that a reload ends, and in bounded memory,
// whatever stands where a configuration names a file: the node's user owns
// Kubo's configuration.
func TestFilesOthersMayReplace(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	endless := filepath.Join(dir, "endless")
	if err := os.Symlink("/dev/zero", endless); err != nil {
		t.Fatal(err)
	}
	huge := writeIn(t, dir, "huge", "")
	if err := os.Truncate(huge, 1<<40); err != nil {
		t.Fatal(err)
	}
	long := writeIn(t, dir, "long", "192.0.2.1\n"+strings.Repeat("x", 1<<20)+"\n")
	for _, tt := range []struct{ setting, want string }{
		{`ignoreip = "kubo:` + fifo + `"`, "is a FIFO"},
		{`ignoreip = "kubo:` + endless + `"`, "is a device"},
		{`ignoreip = "kubo:` + dir + `"`, "is a directory"},
		{`ignoreip = "kubo:` + huge + `"`, "longer than 4194304 bytes"},
		{`ignoreip = "file:` + fifo + `"`, "is a FIFO"},
		{`ignoreip = "file:` + endless + `"`, "is a device"},
		{`ignoreip = "file:` + huge + `"`, "longer than 16777216 bytes"},
		{`ignoreip = "file:` + long + `"`, "long:2: "},
	} {
		_, err := Load(writeIn(t, dir, "p2pban.toml", "[jail.libp2p-flood]\n"+tt.setting+"\n"))
		if err == nil || !strings.Contains(err.Error(), "p2pban.toml:2:") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %.300v, want its place and %q", tt.setting, err, tt.want)
		} else if len(err.Error()) > 4096 {
			t.Errorf("%s: an error of %d bytes", tt.setting, len(err.Error()))
		}
	}
	_, err := Load(writeIn(t, dir, "p2pban.toml", "rulefiles = \""+fifo+"\"\n[jail.libp2p-flood]\n"))
	if err == nil || !strings.Contains(err.Error(), "is a FIFO") {
		t.Errorf("rulefiles: %v", err)
	}
}

// TestConfigurationFromPipe takes what a shell's <(…) gives, and does not wait
// for a writer that there is not.
func TestConfigurationFromPipe(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(fifo); err == nil || !strings.Contains(err.Error(), "a pipe that nobody writes to") {
		t.Errorf("without a writer: %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("[jail.libp2p-churn]\n"); err != nil {
		t.Fatal(err)
	}
	w.Close()
	c, err := Load(fmt.Sprintf("/dev/fd/%d", r.Fd()))
	if err != nil || len(c.Jails) != 1 || c.Jails[0].Name != "libp2p-churn" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestIgnoringTooMuch(t *testing.T) {
	dir := t.TempDir()
	list := writeIn(t, dir, "list", "::/0\n")
	c, err := Load(writeIn(t, dir, "p2pban.toml", `[jail.libp2p-flood]
ignoreip = ["10.0.0.0/8", "fc00::/7", "2001:db8::/32", "192.0.2.1", "`+ignorePeer+`"]
[jail.libp2p-churn]
ignoreip = ["0.0.0.0/0", "128.0.0.0/1", "/ip6/2000::/ipcidr/3", "file:`+list+`"]
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"p2pban.toml:4:1: jail.libp2p-churn.ignoreip: 0.0.0.0/0 is every possible IPv4 host: ",
		"p2pban.toml:4:1: jail.libp2p-churn.ignoreip: 128.0.0.0/1 is 1 in 2 of every possible IPv4 host: ",
		"p2pban.toml:4:1: jail.libp2p-churn.ignoreip: 2000::/3 is 1 in 8 of every possible IPv6 host: ",
		"p2pban.toml:4:1: jail.libp2p-churn.ignoreip: ::/0 is every possible IPv6 host: ",
	}
	if len(c.Warnings) != len(want) {
		t.Fatalf("warnings %v, want %d", c.Warnings, len(want))
	}
	for i, w := range want {
		if !strings.Contains(c.Warnings[i].Error(), w) {
			t.Errorf("warning %q, want %q", c.Warnings[i], w)
		}
	}
}
