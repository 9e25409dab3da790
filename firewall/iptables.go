package firewall

import "context"

func flushIPTables(ctx context.Context) ([]string, error) { return nil, nil }
