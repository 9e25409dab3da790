//go:build race

package jail

// raceEnabled says that the race detector is on.
const raceEnabled = true
