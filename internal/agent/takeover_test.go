package agent

import (
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/firewall"
	"github.com/p2pban/p2pban/internal/control"
	"github.com/p2pban/p2pban/jail"
)

// TestTakeOver damages the state file of a daemon that has stopped: whom its
// table keeps out stays out for the time that was left, but not who must not be
// kept out, whoever put him there. After another start that is still so.
func TestTakeOver(t *testing.T) {
	const ignored, private = "192.0.2.9", "10.1.2.3"
	for _, backend := range []struct {
		name string
		add  string // a command that keeps an address out
	}{
		{"nftables", "nft add element inet p2pban ipv4 { %s }"},
		{"iptables", "ipset add p2pban4 %s"},
	} {
		t.Run(backend.name, func(t *testing.T) {
			toml := strings.Replace(liveConfig, "[jail.brief]", "ignoreip = [\""+ignored+"\"]\n[jail.brief]", 1)
			l := newLab(t, toml+"\n[firewall]\nbackend = \""+backend.name+"\"\n")
			t.Cleanup(func() { firewall.Flush(t.Context()) })
			l.start()
			l.accuse("node.log", hostile, 3) // out for an hour
			l.banByHand("198.18.0.0/24", "-1")
			l.banByHand("2001:db8:1:2::/64", "30m")
			l.wait("the ban", func() bool { return len(l.bans()) == 3 })
			l.wait("the kernel to have it", func() bool { return len(l.standing(backend.name)) == 3 })
			l.stop()
			for _, addr := range []string{ignored, private} {
				words := strings.Fields(fmt.Sprintf(backend.add, addr))
				if out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", words, out)
				}
			}
			path := filepath.Join(l.dir, "state.db")
			if err := os.Remove(filepath.Join(l.dir, "node.log")); err != nil { // or it is judged again
				t.Fatal(err)
			}
			if err := os.Truncate(path, 1000); err != nil {
				t.Fatal(err)
			}

			want := map[netip.Prefix]time.Duration{
				netip.PrefixFrom(hostile, 32): time.Hour, netip.MustParsePrefix("198.18.0.0/24"): 0,
				netip.MustParsePrefix("2001:db8:1:2::/64"): 30 * time.Minute,
			}
			for _, when := range []string{"after the damage", "after a kill", "after another start"} {
				if when == "after a kill" {
					unCheckpoint(t, path)
				}
				l.start()
				l.wait("what stands", func() bool { return len(l.standing(backend.name)) == 3 })
				for _, b := range l.bans() {
					left, there := want[b.Prefix]
					if !there || b.Jail != jail.Manual || b.Reason != jail.TakenOver || (left == 0) != (b.Until == nil) {
						t.Errorf("%s: %+v; want a ban that was taken over, with its end", when, b)
					} else if left != 0 && (time.Until(*b.Until) > left+time.Second || time.Until(*b.Until) < left-5*time.Minute) {
						t.Errorf("%s: %s ends at %s, want in %s", when, b.Prefix, b.Until, left)
					}
				}
				if n := len(l.bans()); n != 3 {
					t.Errorf("%s: %d bans, want 3", when, n)
				}
				if when != "after another start" {
					l.wait("an alarm that says so", func() bool {
						s, err := l.client.Status(t.Context())
						return err == nil && strings.Contains(fmt.Sprint(s.Alarms), "3 bans were taken over from "+backend.name)
					})
				}
				if when == "after the damage" {
					l.wait("an alarm that names what was lifted", func() bool {
						s, err := l.client.Status(t.Context())
						said := fmt.Sprint(s.Alarms)
						return err == nil && strings.Contains(said, "2 lifted, because they took in what is protected, ignored or special: 10.1.2.3/32, 192.0.2.9/32 (")
					})
				}
				l.stop()
			}
		})
	}
}

// TestStartWithANewStateFile has the state file removed, or another one named, while
// the daemon is down: the log says what that lifts, and nothing of it where nothing
// stood, or where the file holds that all were let in.
func TestStartWithANewStateFile(t *testing.T) {
	const said = "bans that stand in the firewall are of an earlier one, and are lifted"
	l := newLab(t, liveConfig)
	if _, err := firewall.Flush(t.Context()); err != nil { // what another test left
		t.Fatal(err)
	}
	l.start()
	l.banByHand("198.18.0.0/24", "-1")
	l.banByHand("2001:db8:1:2::/64", "30m")
	l.wait("the kernel to have them", func() bool { return len(l.standing("nftables")) == 2 })
	l.stop()
	l.start()
	l.stop()
	if strings.Contains(l.log.String(), said) {
		t.Error("it says that bans are lifted, which its state file holds")
	}
	files, err := filepath.Glob(filepath.Join(l.dir, "state.db*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	l.start()
	if log := l.log.String(); !strings.Contains(log, said) || !strings.Contains(log, "backend=nftables bans=2 cure=") {
		t.Error("the log does not say which bans are lifted")
	}
	if n := len(l.bans()) + len(l.standing("nftables")); n != 0 {
		t.Errorf("%d bans stand, want none", n)
	}
}

// TestStateFileRemovedWhileRunning has an alarm about it; a daemon that is stopped puts
// the file back, and all that it had banned stays out.
func TestStateFileRemovedWhileRunning(t *testing.T) {
	l := newLab(t, liveConfig)
	l.start()
	l.banByHand("198.18.0.0/24", "-1")
	if err := os.Remove(filepath.Join(l.dir, "state.db")); err != nil {
		t.Fatal(err)
	}
	l.wait("the alarm", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && strings.Contains(fmt.Sprint(s.Alarms), "was removed or replaced while the daemon has it open")
	})
	l.banByHand("2001:db8:1:2::/64", "30m")
	l.stop()
	l.start()
	if n := len(l.bans()); n != 2 {
		t.Errorf("%d bans, want 2", n)
	}
	l.wait("no alarm", func() bool {
		s, err := l.client.Status(t.Context())
		return err == nil && !strings.Contains(fmt.Sprint(s.Alarms), "was removed")
	})
}

// TestDamagedStateIsRead damages a part of the state file: what the rest of it says
// is in force again, as it was made, also what was forced and also where the kernel
// has forgotten it, as in a power cut.
func TestDamagedStateIsRead(t *testing.T) {
	const forced = "10.1.2.3"
	for _, rebooted := range []bool{false, true} {
		t.Run(fmt.Sprintf("rebooted %v", rebooted), func(t *testing.T) {
			l := newLab(t, liveConfig)
			l.start()
			l.accuse("node.log", hostile, 3)
			if _, err := l.client.Ban(t.Context(), control.BanRequest{Target: forced, For: "1h", Reason: "ours, and hijacked", Force: true}); err != nil {
				t.Fatal(err)
			}
			l.wait("the bans", func() bool { return len(l.standing("nftables")) == 2 })
			l.stop()
			if err := os.Remove(filepath.Join(l.dir, "node.log")); err != nil { // or it is judged again
				t.Fatal(err)
			}
			if rebooted {
				if _, err := firewall.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			db, err := sql.Open("sqlite", filepath.Join(l.dir, "state.db"))
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.Exec(`UPDATE snapshot SET data = x'00'`)
			if err := errors.Join(err, db.Close()); err != nil {
				t.Fatal(err)
			}

			l.start()
			reasons := map[string]string{}
			for _, b := range l.bans() {
				reasons[b.Jail+" "+b.Prefix.String()] = b.Reason
			}
			if len(reasons) != 2 || reasons["manual "+forced+"/32"] != "ours, and hijacked" {
				t.Errorf("in force: %q", reasons)
			}
			if _, ok := reasons["quick "+hostile.String()+"/32"]; !ok {
				t.Errorf("in force: %q, want the jail's ban", reasons)
			}
			if n := len(l.standing("nftables")); n != 2 {
				t.Errorf("%d bans stand, want 2", n)
			}
			l.wait("the alarm", func() bool {
				s, err := l.client.Status(t.Context())
				said := fmt.Sprint(s.Alarms)
				return err == nil && strings.Contains(said, "2 of its bans could be read, its windows and positions in the logs are lost; 0 bans were taken over from nftables") && !strings.Contains(said, " lifted")
			})
		})
	}
}

// unCheckpoint makes of a state file what a daemon leaves that was killed after it
// had taken bans over, and before its first checkpoint.
func unCheckpoint(t *testing.T, path string) {
	t.Helper()
	aside, err := filepath.Glob(path + ".damaged-*Z")
	if err != nil || len(aside) != 1 {
		t.Fatalf("set aside: %q, %v", aside, err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(`DELETE FROM checkpoint; DELETE FROM snapshot`)
	if err := errors.Join(err, db.Close(), os.WriteFile(path+".aside", []byte(filepath.Base(aside[0])), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func (l *lab) banByHand(target, length string) {
	l.t.Helper()
	if _, err := l.client.Ban(l.t.Context(), control.BanRequest{Target: target, For: length}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) bans() (bans []control.Ban) {
	l.t.Helper()
	if err := l.client.Bans(l.t.Context(), "", func(b control.Ban) error { bans = append(bans, b); return nil }); err != nil {
		l.t.Fatal(err)
	}
	return bans
}

// standing is what a kernel backend holds.
func (l *lab) standing(backend string) []firewall.Ban {
	l.t.Helper()
	b, err := firewall.Backend(nil), error(nil)
	if backend == "nftables" {
		b, err = firewall.NewNFTables(firewall.Options{})
	} else {
		b, err = firewall.NewIPTables(firewall.Options{})
	}
	if err != nil {
		l.t.Fatal(err)
	}
	defer b.Close()
	bans, err := b.List(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return bans
}
