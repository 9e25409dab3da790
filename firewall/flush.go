package firewall

import (
	"context"
	"errors"
)

// Flush removes everything of ours from the firewall of this network
// namespace, whichever backend made it, and says what it removed. It needs no
// daemon, but a running one will put its bans back.
func Flush(ctx context.Context) (removed []string, err error) {
	table, err := flushNFTables(ctx)
	if table {
		removed = append(removed, "nftables table inet "+tableName)
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
	if _, err := getTableFlags(s.socket); isNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, kernelError("reading nftables", err)
	}
	var tx Transaction
	tx.add(deleteTable{})
	if err := s.send(ctx, tx); err != nil && !errors.Is(err, ErrGone) {
		return false, err
	}
	return true, nil
}
