package jail

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/p2pban/p2pban/parser"
)

func TestDefaultsAreValidAndTheirRulesExist(t *testing.T) {
	rules := parser.Builtin()
	for _, c := range Defaults() {
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
		expanded, err := rules.Expand(c.Rules)
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
		if len(expanded) != len(c.Rules) {
			t.Errorf("%s: %v stands for %v: name each rule", c.Name, c.Rules, expanded)
		}
	}
}

// sampleRate is go-libp2p's: one line stands for a hundred events.
const sampleRate = 100

// admitted is how many connections a second go-libp2p's resource manager lets
// one address make, since v0.42.
const admitted = 0.2

// poissonTail is P(X ≥ n) for a Poisson variable with this mean.
func poissonTail(n int, mean float64) float64 {
	sum := 0.0
	// Terms from n on, until they no longer matter.
	for k := n; k < n+1000; k++ {
		lg, _ := math.Lgamma(float64(k + 1))
		sum += math.Exp(float64(k)*math.Log(mean) - mean - lg)
	}
	return sum
}

// falseBans is how many bans a year a host that makes so many events an hour
// must expect of a jail, counting every line that finds enough others in the
// window before it: an upper bound, as it counts on after a ban.
func falseBans(c Config, perHour float64) float64 {
	lines := int(math.Ceil(float64(c.MaxRetry) / sampleRate))
	inWindow := perHour * c.FindTime.Hours() / sampleRate
	perYear := perHour * 24 * 365.25 / sampleRate
	return perYear * poissonTail(lines-1, inWindow)
}

// TestDefaultsArguedInDocs keeps the numbers in docs/jails.md and the jails
// together: the rows of its tables are computed here.
func TestDefaultsArguedInDocs(t *testing.T) {
	docs, err := os.ReadFile("../docs/jails.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, c := range Defaults() {
		rows = append(rows, fmt.Sprintf("| `%s` | %v | %d | %v | %s |", c.Name, short(c.FindTime), c.MaxRetry, short(c.BanTime), growthWords(c)))
	}
	jails := map[string]Config{}
	for _, c := range Defaults() {
		jails[c.Name] = c
	}
	churn, handshake := jails["libp2p-churn"], jails["libp2p-handshake"]
	for _, k := range []float64{1, 6, 12, 30, 60, 120, 240} {
		rows = append(rows, fmt.Sprintf("| %.0f | %s | %s |", k, chance(falseBans(churn, k)), chance(falseBans(handshake, k))))
	}
	for _, c := range []Config{churn, handshake} {
		inWindow := admitted * c.FindTime.Seconds() / sampleRate
		lines := float64(c.MaxRetry) / sampleRate
		rows = append(rows, fmt.Sprintf("| `%s` | %.1f | %.0f | %.6f | %v |", c.Name, inWindow, lines,
			poissonTail(int(lines), inWindow), short(time.Duration(lines*sampleRate/admitted)*time.Second)))
		if p := poissonTail(int(lines), inWindow); p < 0.99 {
			t.Errorf("%s: an attacker at the admitted rate is banned with probability %v only", c.Name, p)
		}
		if n := falseBans(c, 30); n > 0.01 {
			t.Errorf("%s: an honest host at 30 an hour must expect %v bans a year", c.Name, n)
		}
	}
	for _, row := range rows {
		if !strings.Contains(string(docs), row+"\n") {
			t.Errorf("docs/jails.md lacks the row\n%s", row)
		}
	}
}

func chance(n float64) string {
	if n < 1e-12 {
		return "under 10⁻¹²"
	}
	return fmt.Sprintf("%.1g", n)
}

// short drops the units that are zero at the end: "3m", not "3m0s".
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func growthWords(c Config) string {
	if c.Factor <= 1 {
		return "none"
	}
	return fmt.Sprintf("×%v up to %v", c.Factor, short(c.MaxBanTime))
}
