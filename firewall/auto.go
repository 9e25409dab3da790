package firewall

import (
	"errors"
	"fmt"
)

// Auto returns the nftables backend where the kernel has nftables and we may
// use it, else the iptables one. name is "nftables" or "iptables". Missing
// permission is an error, not a reason to try the other.
func Auto(o Options) (b Backend, name string, err error) {
	n, errN := NewNFTables(o)
	if errN == nil {
		return n, "nftables", nil
	}
	if !errors.Is(errN, ErrUnsupported) {
		return nil, "", errN
	}
	t, errT := NewIPTables(o)
	if errT != nil {
		return nil, "", fmt.Errorf("neither nftables (%w) nor iptables (%w)", errN, errT)
	}
	return t, "iptables", nil
}
