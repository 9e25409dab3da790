package config

import (
	"testing"
	"time"

	"github.com/p2pban/p2pban/jail"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"3m": 3 * time.Minute, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute,
		"24h": 24 * time.Hour, "1d": 24 * time.Hour, "1w": 168 * time.Hour, "250ms": 250 * time.Millisecond,
		"1w2d3h4m5s6ms": (7+2)*24*time.Hour + 3*time.Hour + 4*time.Minute + 5*time.Second + 6*time.Millisecond,
		"0s":            0,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "3", "-1", "-3m", "3.5", "3 m", "m", "3M", "1..5h", "3m4", "1y", "inf", "NaN", "1e3s", "0x1s", "300w300w99999999w", " 3m", "3m\n"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

func TestParseBanTime(t *testing.T) {
	for text, want := range map[string]time.Duration{"-1": jail.Forever, "10m": 10 * time.Minute} {
		if got, err := ParseBanTime(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"0s", "10", "-2", "-1s", "forever"} {
		if got, err := ParseBanTime(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for _, text := range []string{"-1", "3m", "1h30m", "1d", "1w", "1w2d3h4m5s6ms", "250ms"} {
		d, err := ParseBanTime(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := FormatDuration(d); got != text {
			t.Errorf("%v: %q, want %q", d, got, text)
		}
	}
	if got := FormatDuration(0); got != "0s" {
		t.Errorf("0: %q, want 0s", got)
	}
	if got := FormatDuration(48 * time.Hour); got != "2d" {
		t.Errorf("48h: %q, want 2d", got)
	}
}
