package agent

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The jail of libp2p's documentation ("DoS mitigation"), all ports and DROP,
// without the comments that fail2ban takes for values, with nftables in
// iptables' place, so that all agents ask the same of the kernel, and with the
// log it is to read.
const fail2banJail = `[go-libp2p]
enabled  = true
filter   = go-libp2p-peer-status
action   = nftables[type=allports, protocol="tcp,udp", blocktype=drop, name=go-libp2p]
%s
%s`

// limits are the jail's numbers for each filter: those of the page that the
// filter is from.
func limits(filter string) string {
	if filter == "anchored" {
		return "findtime = 6h\nmaxretry = 20\nbantime = 1h\n"
	}
	return "findtime = 180\nmaxretry = 90\nbantime = 600\n"
}

func startFail2ban(ctx context.Context, s Setup, filter string) (*Agent, error) {
	dir, err := fail2banFiles(s, filter)
	if err != nil {
		return nil, fmt.Errorf("fail2ban: %w", err)
	}
	log, err := os.Create(filepath.Join(s.Dir, "fail2ban.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	common := []string{"-c", dir, "-s", filepath.Join(s.Dir, "f2b.sock"), "-p", filepath.Join(s.Dir, "f2b.pid")}
	cmd := exec.Command("fail2ban-server", append(common, "-f", "--logtarget", "STDOUT", "start")...)
	cmd.Stdout, cmd.Stderr = log, log
	a := &Agent{log: log.Name()}
	if a.process, err = s.World.Start(s.World.Victim, cmd); err != nil {
		return nil, err
	}
	err = await(ctx, a.process, log.Name(), func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, "fail2ban-client", append(common, "status", "go-libp2p")...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("fail2ban-client: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("fail2ban: %w", err)
	}
	return a, nil
}

// foundByFail2ban counts the lines "INFO [go-libp2p] Found ADDRESS - TIME" of
// fail2ban's log: one for each line that its filter matched.
func foundByFail2ban(log string, host netip.Addr) (int, error) {
	text, err := os.ReadFile(log)
	return strings.Count(string(text), "] Found "+host.String()+" - "), err
}

// fail2banFiles writes a configuration directory: Debian's, but for the jail,
// the filter and the places of its own files.
func fail2banFiles(s Setup, filter string) (string, error) {
	const debian = "/etc/fail2ban"
	dir := filepath.Join(s.Dir, "fail2ban")
	if err := os.MkdirAll(filepath.Join(dir, "filter.d"), 0o755); err != nil {
		return "", err
	}
	for _, name := range []string{"fail2ban.conf", "action.d"} {
		if err := os.Symlink(filepath.Join(debian, name), filepath.Join(dir, name)); err != nil {
			return "", err
		}
	}
	text, err := os.ReadFile(filepath.Join(s.Filters, filter+".conf"))
	if err != nil {
		return "", err
	}
	where := "logpath  = " + s.Log.File
	if s.Log.Journal != "" {
		where = fmt.Sprintf("backend  = systemd[journalpath=%q]\njournalmatch = _SYSTEMD_UNIT=%s", s.Log.Journal, s.Log.Unit)
	}
	files := map[string]string{
		"filter.d/go-libp2p-peer-status.conf": string(text),
		"jail.conf":                           fmt.Sprintf(fail2banJail, where, limits(filter)),
		"fail2ban.local":                      "[Definition]\ndbfile = " + filepath.Join(s.Dir, "f2b.sqlite3") + "\n",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return "", err
		}
	}
	return dir, nil
}
