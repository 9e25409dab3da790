package agent

import (
	"bufio"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/login1"
	"github.com/godbus/dbus/v5"
	"github.com/godbus/dbus/v5/prop"
)

// What can't be looked at properly must not become bannable.
func TestProtectedStaysKnownOnError(t *testing.T) {
	known := protected{
		"gateways":  {netip.MustParsePrefix("192.0.2.1/32")},
		"resolvers": {netip.MustParsePrefix("192.0.2.53/32")},
	}
	finders := map[string]func() ([]netip.Addr, error){
		"gateways": func() ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("192.0.2.9")}, errors.New("too many open files")
		},
		"resolvers": func() ([]netip.Addr, error) { return nil, nil },
	}
	var told strings.Builder
	got := findProtected(finders, known, slog.New(slog.NewTextHandler(&told, nil)))
	if want := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.9/32")}; !slices.Equal(got["gateways"], want) {
		t.Errorf("gateways after an error: %v, want what was known and what was found, %v", got["gateways"], want)
	}
	if len(got["resolvers"]) != 0 {
		t.Errorf("resolvers: %v, want none: they were looked at and are gone", got["resolvers"])
	}
	if !strings.Contains(told.String(), "too many open files") || !strings.Contains(told.String(), "gateways") {
		t.Errorf("the log does not name the list and the error:\n%s", told.String())
	}
}

// A finder that fails for days, while what it still gives changes with each look,
// must not make the list grow for ever; what is there now is never left out.
func TestProtectedIsBoundedWhileItFails(t *testing.T) {
	look := 0
	found := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}) }
	finders := map[string]func() ([]netip.Addr, error){"gateways": func() ([]netip.Addr, error) {
		look++
		return []netip.Addr{found(look)}, errors.New("too many open files")
	}}
	var told strings.Builder
	log := slog.New(slog.NewTextHandler(&told, nil))
	known := protected{}
	for range 2 * maxKept {
		known = findProtected(finders, known, log)
		if list := known["gateways"]; len(list) > maxKept || !slices.Contains(list, netip.PrefixFrom(found(look), 32)) {
			t.Fatalf("look %d: %d addresses, want at most %d, with %v among them", look, len(list), maxKept, found(look))
		}
	}
	if len(known["gateways"]) != maxKept || !strings.Contains(told.String(), "forgotten=1") {
		t.Errorf("%d addresses, want %d, and the log to say that one was forgotten", len(known["gateways"]), maxKept)
	}
	// More than that, found in one look without an error, all stay when one fails.
	many := protected{}
	for i := range 3 * maxKept {
		many["gateways"] = append(many["gateways"], netip.PrefixFrom(found(5000+i), 32))
	}
	finders["gateways"] = func() ([]netip.Addr, error) { return nil, errors.New("too many open files") }
	if got := findProtected(finders, many, log)["gateways"]; !slices.Equal(got, many["gateways"]) {
		t.Errorf("%d addresses stay of %d", len(got), 3*maxKept)
	}
}

// TestGateways finds them in every kind of route, each once.
func TestGateways(t *testing.T) {
	for _, args := range []string{
		"link add gw0 type veth peer name gw1", "link set gw0 up", "link set gw1 up",
		"addr add 198.51.100.1/24 dev gw0", "addr add 2001:db8::1/64 dev gw0 nodad",
		"route add 203.0.113.0/28 via 198.51.100.2 dev gw0",
		"route add 203.0.113.16/28 via 198.51.100.2 dev gw0",
		"route add 203.0.113.32/28 nexthop via 198.51.100.3 dev gw0 nexthop via 198.51.100.4 dev gw0",
		"route add 203.0.113.48/28 via inet6 2001:db8::2 dev gw0",
		"route add 2001:db8:1::/64 via 2001:db8::3 dev gw0",
	} {
		if out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v: %s", args, err, out)
		}
	}
	t.Cleanup(func() { exec.Command("ip", "link", "del", "gw0").Run() })
	got, err := gateways()
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(got, netip.Addr.Compare)
	var want []netip.Addr
	for _, a := range []string{"198.51.100.2", "198.51.100.3", "198.51.100.4", "2001:db8::2", "2001:db8::3"} {
		want = append(want, netip.MustParseAddr(a))
	}
	if !slices.Equal(got, want) {
		t.Errorf("gateways %v, want %v", got, want)
	}
}

// A stranger who only connects to the ssh port is nobody's operator.
func TestLoginsAreAuthenticated(t *testing.T) {
	bus := startBus(t)
	serveLogind(t, bus, "198.51.100.7", "2001:db8::7", "laptop.example", "")
	t.Setenv("SSH_CONNECTION", "203.0.113.5 50000 192.0.2.1 22")
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)

	l, err := net.Listen("tcp", "127.0.0.1:22")
	if err != nil {
		t.Logf("port 22 is taken (%v): a connection there is a stranger as well", err)
	} else {
		defer l.Close()
	}
	stranger, err := net.Dial("tcp", "127.0.0.1:22")
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()

	got, err := logins()
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Addr{
		netip.MustParseAddr("203.0.113.5"), netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("2001:db8::7"),
	}
	if !slices.Equal(got, want) {
		t.Errorf("logged in from %v, want %v: the address of SSH_CONNECTION and of each remote session", got, want)
	}
}

// A session that logind can't tell of just now is no session that ended: were it
// so, a logind that is slow would make every operator bannable.
func TestLoginsOfBrokenLogind(t *testing.T) {
	bus := startBus(t)
	conn := serveLogind(t, bus, "198.51.100.7", "198.51.100.8", "198.51.100.9")
	t.Setenv("SSH_CONNECTION", "")
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)
	for _, c := range []struct {
		answer string
		want   []netip.Addr
		fails  bool
	}{
		{"org.freedesktop.DBus.Error.UnknownObject", []netip.Addr{netip.MustParseAddr("198.51.100.7"), netip.MustParseAddr("198.51.100.9")}, false},
		{"org.freedesktop.DBus.Error.NoReply", []netip.Addr{netip.MustParseAddr("198.51.100.7")}, true},
	} {
		if err := conn.Export(refusing{c.answer}, "/org/freedesktop/login1/session/_32", "org.freedesktop.DBus.Properties"); err != nil {
			t.Fatal(err)
		}
		got, err := logins()
		if !slices.Equal(got, c.want) || (err != nil) != c.fails {
			t.Errorf("the second session answers %s: %v, %v; want %v, an error: %v", c.answer, got, err, c.want, c.fails)
		}
	}
}

// refusing answers every question for a property with an error.
type refusing struct{ name string }

func (r refusing) Get(string, string) (dbus.Variant, *dbus.Error) {
	return dbus.Variant{}, dbus.NewError(r.name, nil)
}

func TestLoginsWithoutLogind(t *testing.T) {
	t.Setenv("SSH_CONNECTION", "203.0.113.5 50000 192.0.2.1 22")
	want := []netip.Addr{netip.MustParseAddr("203.0.113.5")}
	for name, bus := range map[string]string{
		"no bus":               "unix:path=" + t.TempDir() + "/none",
		"a bus without logind": startBus(t),
	} {
		t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", bus)
		if got, err := logins(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, want)
		}
	}
	// As in a container. Where the machine has a bus, its logind answers.
	t.Setenv("DBUS_SYSTEM_BUS_ADDRESS", "")
	if got, err := logins(); err != nil || !hasSystemBus() && !slices.Equal(got, want) {
		t.Errorf("the machine's own bus: %v, %v; want no error", got, err)
	}
}

// startBus starts a bus of the test's own and gives its address.
func startBus(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "dbus-daemon", "--session", "--nofork", "--print-address",
		"--address=unix:path="+t.TempDir()+"/bus")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("dbus-daemon (Debian package dbus): %v", err)
	}
	t.Cleanup(func() { cmd.Wait() }) // t.Context has ended by then
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(address)
}

// logind answers as systemd-logind does (org.freedesktop.login1(5)).
type logind struct{ sessions []login1.Session }

func (l logind) ListSessions() ([]login1.Session, *dbus.Error) { return l.sessions, nil }

// serveLogind puts a logind on the bus with a session for each remote host;
// the empty one is local.
func serveLogind(t *testing.T, bus string, remoteHosts ...string) *dbus.Conn {
	t.Helper()
	conn, err := dbus.Connect(bus, dbus.WithContext(context.WithoutCancel(t.Context())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var l logind
	for i, host := range remoteHosts {
		id := string(rune('1' + i))
		path := dbus.ObjectPath("/org/freedesktop/login1/session/_3" + id)
		l.sessions = append(l.sessions, login1.Session{ID: id, User: "op", Path: path})
		if _, err := prop.Export(conn, path, prop.Map{
			"org.freedesktop.login1.Session": {"RemoteHost": {Value: host, Emit: prop.EmitFalse}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := conn.Export(l, "/org/freedesktop/login1", "org.freedesktop.login1.Manager"); err != nil {
		t.Fatal(err)
	}
	if reply, err := conn.RequestName("org.freedesktop.login1", dbus.NameFlagDoNotQueue); err != nil || reply != dbus.RequestNameReplyPrimaryOwner {
		t.Fatalf("org.freedesktop.login1: %v, %v", reply, err)
	}
	return conn
}

// A subscription that ends before the daemon is told of, since changes are then seen
// late; its end with the daemon is not.
func TestForward(t *testing.T) {
	for _, ended := range []bool{true, false} {
		ctx, cancel := context.WithCancel(t.Context())
		if ended {
			cancel()
		}
		updates := make(chan int, 2)
		updates <- 1
		updates <- 2
		close(updates)
		noted, early := 0, 0
		forward(ctx, updates, func() { noted++ }, func() { early++ })
		if want := map[bool]int{true: 0, false: 1}[ended]; noted != 2 || early != want {
			t.Errorf("ended %t: %d noted, early %d times, want 2 and %d", ended, noted, early, want)
		}
		cancel()
	}
}
