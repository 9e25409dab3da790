package main

import (
	"github.com/google/nftables"
)

// standing counts the elements of p2pban's sets in the kernel.
func standing() (int, error) {
	conn, err := nftables.New()
	if err != nil {
		return 0, err
	}
	table := &nftables.Table{Name: "p2pban", Family: nftables.TableFamilyINet}
	sets, err := conn.GetSets(table)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, set := range sets {
		if set.KeyType.Name != nftables.TypeIPAddr.Name && set.KeyType.Name != nftables.TypeIP6Addr.Name {
			continue
		}
		elements, err := conn.GetSetElements(set)
		if err != nil {
			return 0, err
		}
		n += len(elements)
	}
	return n, nil
}
