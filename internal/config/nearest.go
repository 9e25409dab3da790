package config

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest is the known key that was probably meant, or "".
func nearest(key string, known []string) string {
	best, bestDistance := "", len(key)/3+2
	key = plain(key)
	for _, k := range known {
		if d := levenshtein.ComputeDistance(key, plain(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// plain forgets what differs between habits of writing: find_time, FindTime.
func plain(s string) string {
	return strings.NewReplacer("-", "", "_", "").Replace(strings.ToLower(s))
}
