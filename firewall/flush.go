package firewall

import (
	"context"
	"errors"
	"slices"
	"time"
)

// What of ours stands in the kernel, in words.
const (
	nftablesWords = "nftables table inet " + tableName
	iptablesWords = "iptables rules with ipset"
)

// Flush removes everything of ours from the firewall of this network
// namespace, whichever backend made it, and says what it removed. It needs no
// daemon, but a running one will put its bans back.
func Flush(ctx context.Context) (removed []string, err error) {
	table, err := flushNFTables(ctx)
	if table {
		removed = append(removed, nftablesWords)
	}
	if errors.Is(err, ErrUnsupported) {
		err = nil // nothing of ours can be there
	}
	more, errIPTables := flushIPTables(ctx)
	return append(removed, more...), errors.Join(err, errIPTables)
}

func flushNFTables(ctx context.Context) (bool, error) {
	s := sender{opened: func(uint32) {}}
	defer s.close()
	if err := s.open(); err != nil {
		return false, kernelError("opening a netlink socket", err)
	}
	if _, err := getTable(s.socket); isNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, kernelError("reading nftables", err)
	}
	var tx transaction
	tx.add(deleteTable{})
	if err := s.send(ctx, tx); err != nil && !errors.Is(err, ErrGone) {
		return false, err
	}
	return true, nil
}

// flushIPTables removes our rules from both variants, and our sets. Programs
// that are not installed cannot have left anything.
func flushIPTables(ctx context.Context) (removed []string, err error) {
	for _, x := range otherXTables() {
		found, errX := x.clear(ctx)
		if found && errX == nil {
			removed = append(removed, x.program+" rules")
		}
		if !errors.Is(errX, ErrUnsupported) {
			err = errors.Join(err, errX)
		}
	}
	names, errSets := ipsetNames(ctx)
	if errors.Is(errSets, ErrUnsupported) {
		return removed, err
	}
	err = errors.Join(err, errSets)
	for _, name := range names {
		if !isOurSet(name) {
			continue
		}
		if errSet := destroySet(ctx, name); errSet != nil {
			err = errors.Join(err, errSet)
			continue
		}
		removed = append(removed, "ipset "+name)
	}
	return removed, err
}

func isOurSet(name string) bool {
	return slices.Contains([]string{ipset4, ipset6, ipset4 + spare, ipset6 + spare}, name)
}

// destroySet removes a set. The kernel lets go of the rules that used it a
// little after their removal.
func destroySet(ctx context.Context, name string) error {
	const tries, pause = 40, 50 * time.Millisecond
	var err error
	for range tries {
		if _, err = execute(ctx, "", "ipset", "destroy", name); !errors.Is(err, ErrBusy) {
			return err
		}
		if errCtx := sleep(ctx, pause); errCtx != nil {
			return errCtx
		}
	}
	return err
}

// FlushOther removes what the kernel's other backend has left: the rules of iptables
// where name is "nftables", our table where it is "iptables". Else a ban that is lifted
// here would still stand there. What a running process keeps (Options.Exclusive) is
// left alone. Call it once the bans stand in the backend called name, or for a moment
// nobody would be kept out.
func FlushOther(ctx context.Context, name string) (removed []string, err error) {
	switch name {
	case "nftables":
		return flushLeftRules(ctx)
	case "iptables":
		return flushLeftTable(ctx)
	}
	return nil, nil
}

// flushLeftRules is flushIPTables where there are rules of ours that nobody keeps:
// sets without rules ban nobody, and asking for them would load their module.
func flushLeftRules(ctx context.Context) ([]string, error) {
	if left, err := leftRules(ctx); !left {
		return nil, err
	}
	return flushIPTables(ctx)
}

// leftRules tells whether there are rules of ours that nobody keeps.
func leftRules(ctx context.Context) (bool, error) {
	found := false
	for _, x := range otherXTables() {
		rules, err := x.standing(ctx)
		if errors.Is(err, ErrUnsupported) {
			continue // nothing of ours can be there
		}
		if errors.Is(err, ErrPermission) && noSets(ctx) {
			continue
		}
		if err != nil {
			return false, err
		}
		for _, r := range rules {
			if (&claim{}).heeds("", rulesClaim, commentOf(r)) != nil {
				return false, nil
			}
			found = true
		}
	}
	return found, nil
}

// noSets tells whether no set of ours can be seen to stand: then no rule of ours does,
// for a rule holds its set. A daemon that may change the firewall without being root
// sees the sets, and of the rules of legacy iptables nothing.
func noSets(ctx context.Context) bool {
	names, err := ipsetNames(ctx)
	return err == nil && !slices.ContainsFunc(names, isOurSet)
}

// flushLeftTable is flushNFTables where nobody keeps the table.
func flushLeftTable(ctx context.Context) ([]string, error) {
	if left, err := leftTable(); !left {
		return nil, err
	}
	table, err := flushNFTables(ctx)
	if !table {
		return nil, err
	}
	return []string{nftablesWords}, err
}

// leftTable tells whether our table is there and nobody keeps it.
func leftTable() (bool, error) {
	n, err := NewNFTables(Options{})
	if errors.Is(err, ErrUnsupported) {
		return false, nil // nothing of ours can be there
	}
	if err != nil {
		return false, err
	}
	defer n.Close()
	if err := n.Owned(); err != nil {
		if errors.Is(err, ErrOwned) {
			err = nil
		}
		return false, err
	}
	return n.tableThere()
}

// Left names what of ours stands in the kernel and bans without a process that
// keeps it (Options.Exclusive): that of a daemon that has ended, or that now keeps
// its bans elsewhere. It changes nothing.
func Left(ctx context.Context) ([]string, error) {
	var left []string
	table, errTable := leftTable()
	if table {
		left = append(left, nftablesWords)
	}
	rules, errRules := leftRules(ctx)
	if rules {
		left = append(left, iptablesWords)
	}
	return left, errors.Join(errTable, errRules)
}
