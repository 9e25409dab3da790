package attack

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// confined refuses targets and relays that may be somebody else's: outside a
// network namespace made for the lab only loopback may be attacked.
func confined(p Params) error {
	elsewhere := ""
	for _, m := range append(p.Targets, p.Relay) {
		if at, err := socket(m); err == nil && !at.Addr().IsLoopback() {
			elsewhere = m.String()
		}
	}
	if elsewhere == "" || ownNetwork() {
		return nil
	}
	return fmt.Errorf("%s is not on loopback, and this is no network namespace of the lab's", elsewhere)
}

// ownNetwork tells whether this process has another network than some process
// it descends from. In a user namespace it may not look at those outside; then
// a user namespace of its own is taken as the sign.
func ownNetwork() bool {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return false
	}
	for pid := os.Getppid(); pid > 0; pid = parent(pid) {
		other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			return ownUsers()
		}
		if other != own {
			return true
		}
	}
	return false
}

// parent gives the parent of a process, 0 if it has none that can be seen.
func parent(pid int) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "\nPPid:\t")
	line, _, _ := strings.Cut(after, "\n")
	ppid, err := strconv.Atoi(line)
	if err != nil {
		return 0
	}
	return ppid
}

// ownUsers tells whether this process is in a user namespace of its own: the
// initial one maps all 2^32-1 ids to themselves (user_namespaces(7)).
func ownUsers() bool {
	ids, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(ids)), " ") != "0 0 4294967295"
}
