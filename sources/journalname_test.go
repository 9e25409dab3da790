package sources

import "testing"

// A unit of a user is told from the system's of the same name.
func TestJournalIsNamed(t *testing.T) {
	for want, o := range map[string]JournalOptions{
		"unit a.service, b.service":                {Units: []string{"a.service", "b.service"}},
		"user unit a.service":                      {UserUnits: []string{"a.service"}, Matches: []string{"_UID=1000"}},
		"unit a.service, user unit b.service":      {Units: []string{"a.service"}, UserUnits: []string{"b.service"}},
		"journal SYSLOG_IDENTIFIER=node, _UID=990": {Matches: []string{"SYSLOG_IDENTIFIER=node", "_UID=990"}},
	} {
		if got := (&Journal{opts: o}).String(); got != want {
			t.Errorf("%+v is named %q, want %q", o, got, want)
		}
	}
}
