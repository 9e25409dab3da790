package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// fail2banFilter is that of libp2p's documentation ("DoS mitigation").
const fail2banFilter = `[Definition]
failregex = ^.*[\t\s]CANONICAL_PEER_STATUS: .* addr=\/ip[46]\/<HOST>[^\s]*
`

const fail2banJail = `[DEFAULT]
[libp2p]
enabled = true
filter = libp2p
logpath = %s
backend = auto
maxretry = 1
findtime = 180
bantime = 3600
ignoreself = false
action = nftables[type=allports]
`

// startFail2ban starts Debian's fail2ban on a configuration of its own: one jail
// that bans at the first line, by its nftables action.
func startFail2ban(dir, path string) (stop func(), err error) {
	etc := filepath.Join(dir, "etc")
	if out, err := exec.Command("cp", "-r", "/etc/fail2ban", etc).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	for name, text := range map[string]string{
		"filter.d/libp2p.conf": fail2banFilter, "jail.local": fmt.Sprintf(fail2banJail, path),
		"fail2ban.local": fmt.Sprintf("[Definition]\nlogtarget = %s/log\nsocket = %s/sock\npidfile = %s/pid\ndbfile = %s/db.sqlite3\n", dir, dir, dir, dir),
	} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	_ = os.Remove(filepath.Join(etc, "jail.d/defaults-debian.conf")) // wants an sshd log
	p, err := start(dir, nil, "fail2ban-server", "-c", etc, "-f", "start")
	if err != nil {
		return nil, err
	}
	err = p.until("fail2ban's start", time.Minute, func() bool {
		out, err := exec.Command("fail2ban-client", "-c", etc, "status", "libp2p").Output()
		return err == nil && strings.Contains(string(out), path)
	})
	if err != nil {
		p.stop()
		return nil, err
	}
	return p.stop, nil
}

// version is the first line of what a program says of itself.
func version(argv ...string) string {
	out, _ := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	line, _, _ := strings.Cut(string(out), "\n")
	return line
}
