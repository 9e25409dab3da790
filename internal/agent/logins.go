package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/login1"
	"github.com/godbus/dbus/v5"
)

const (
	// loginsTimeout bounds one talk with logind.
	loginsTimeout = 5 * time.Second
	// maxLogins bounds the sessions looked at; logind's own bound is 8192.
	maxLogins = 1000
)

// logins finds where operators are logged in from: the ssh session that the
// daemon was started in (SSH_CONNECTION, ssh(1): client, port, server, port),
// and every remote session that logind has. These have authenticated; a mere
// connection to the ssh port would let any stranger make himself unbannable.
func logins() ([]netip.Addr, error) {
	var out []netip.Addr
	if client, _, _ := strings.Cut(os.Getenv("SSH_CONNECTION"), " "); client != "" {
		if ip, err := netip.ParseAddr(client); err == nil {
			out = append(out, ip)
		}
	}
	sessions, err := remoteSessions()
	if errors.Is(err, os.ErrNotExist) {
		return out, nil // no system bus, hence no logind: a container, or another init
	}
	return append(out, sessions...), err
}

// hasSystemBus looks where the D-Bus library will (godbus, conn_unix.go), whose
// error for a bus that there is not can't be told from others.
func hasSystemBus() bool {
	if os.Getenv("DBUS_SYSTEM_BUS_ADDRESS") != "" {
		return true
	}
	for _, path := range []string{"/var/run/dbus/system_bus_socket", "/run/dbus/system_bus_socket"} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			return true
		}
	}
	return false
}

// remoteSessions asks logind, or elogind, for the addresses in RemoteHost
// (org.freedesktop.login1(5)). A name stands there when sshd resolves names;
// whoever runs its name server could choose what it means, so it is left out.
func remoteSessions() ([]netip.Addr, error) {
	if !hasSystemBus() {
		return nil, os.ErrNotExist
	}
	bus, err := login1.New()
	if err != nil {
		return nil, fmt.Errorf("the system bus: %w", err)
	}
	defer bus.Close()
	ctx, cancel := context.WithTimeout(context.Background(), loginsTimeout)
	defer cancel()
	sessions, err := bus.ListSessionsContext(ctx)
	if e := (dbus.Error{}); errors.As(err, &e) && e.Name == "org.freedesktop.DBus.Error.ServiceUnknown" {
		return nil, nil // a bus without logind
	}
	if err != nil {
		return nil, fmt.Errorf("logind: %w", err)
	}
	if n := len(sessions); n > maxLogins {
		err = fmt.Errorf("logind has %d sessions, of which the first %d are looked at", n, maxLogins)
		sessions = sessions[:maxLogins]
	}
	var out []netip.Addr
	for _, s := range sessions {
		host, unknown := bus.GetSessionPropertyContext(ctx, s.Path, "RemoteHost")
		switch {
		case unknown == nil:
		case isGone(unknown):
			continue // it ended since it was listed
		default: // a logind that is slow or broken: what was known must stay
			return out, fmt.Errorf("logind: session %s: %w", s.ID, unknown)
		}
		if text, ok := host.Value().(string); ok {
			if ip, bad := netip.ParseAddr(text); bad == nil {
				out = append(out, ip)
			}
		}
	}
	return out, err
}

// isGone tells whether logind says that it has no such session.
func isGone(err error) bool {
	var e dbus.Error
	return errors.As(err, &e) &&
		(e.Name == "org.freedesktop.DBus.Error.UnknownObject" || e.Name == "org.freedesktop.login1.NoSuchSession")
}
