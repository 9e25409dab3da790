package jail

import "time"

// Defaults gives the jails that run when no configuration names any, with rules
// by full name. docs/jails.md argues each number.
func Defaults() []Config {
	return []Config{
		{
			// The example in libp2p's documentation on DoS mitigation, 90 lines
			// in 3 minutes, in the events that those lines stand for: 50 a second.
			Name:     "libp2p-flood",
			Rules:    []string{"go-libp2p/connection", "go-libp2p/handshake", "go-libp2p/misbehaving"},
			FindTime: 3 * time.Minute,
			MaxRetry: 9000,
			BanTime:  10 * time.Minute,
		},
	}
}
