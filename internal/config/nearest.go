package config

import "strings"

// nearest is the known key that was probably meant, or "".
func nearest(key string, known []string) string {
	best, bestDistance := "", len(key)/3+2
	key = plain(key)
	for _, k := range known {
		if d := distance(key, plain(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// plain forgets what differs between habits of writing: find_time, FindTime.
func plain(s string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
}

// distance is the Levenshtein distance: how many bytes to put in, take out or
// change.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
