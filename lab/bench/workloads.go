package main

// workloads are the logs that are compared, lines as given.
func workloads(lines int) []workload {
	return []workload{
		{Name: "sparse", Lines: lines, Share: 1, Hosts: 200_000, Format: "slog", Seed: 1},
		{Name: "mixed", Lines: lines, Share: 20, Hosts: 200_000, Format: "slog", Seed: 2},
		{Name: "dense", Lines: lines, Share: 100, Hosts: 200_000, Format: "slog", Seed: 3},
		{Name: "sparse-golog", Lines: lines, Share: 1, Hosts: 200_000, Format: "golog", Seed: 4},
		{Name: "mixed-golog", Lines: lines, Share: 20, Hosts: 200_000, Format: "golog", Seed: 5},
		{Name: "dense-golog", Lines: lines, Share: 100, Hosts: 200_000, Format: "golog", Seed: 6},
		{Name: "dense-json", Lines: lines, Share: 100, Hosts: 200_000, Format: "json", Seed: 7},
		{Name: "distinct", Lines: lines, Share: 100, Hosts: lines, Distinct: true, Format: "slog", Seed: 8},
	}
}
