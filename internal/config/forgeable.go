package config

import (
	"fmt"
	"slices"
	"strings"
)

// journaldOwn are the fields of a journal entry that say who wrote it and that
// journald sets itself (systemd.journal-fields(7), trusted fields), of which no
// local user can have what another one has. Every field without "_" at its
// beginning is the writer's own word; _COMM and _EXE are too, in effect: anybody
// may run a program and name a process; and anybody may have a user unit of any
// name.
var journaldOwn = []string{
	"_UID", "_SYSTEMD_UNIT", "_SYSTEMD_CGROUP", "_SYSTEMD_SLICE", "_SYSTEMD_OWNER_UID", "_SYSTEMD_INVOCATION_ID", "_AUDIT_LOGINUID", "_SELINUX_CONTEXT",
}

// SaysWho tells whether a FIELD=value of a journal source says who wrote an
// entry, in a way that another local user can't.
func SaysWho(match string) bool {
	field, _, _ := strings.Cut(match, "=")
	return slices.Contains(journaldOwn, field)
}

// forgeable refuses a journal source into which every user of the machine can
// write lines, and so have anybody banned.
func (s *section) forgeable(src Source) {
	switch {
	case src.Trust || slices.ContainsFunc(src.Matches, SaysWho):
	case len(src.UserUnits) > 0:
		s.l.problem(s.at("userunit"), s.key("userunit"), "every user of this machine may have a unit of that name, and have anybody banned by what it logs",
			`say whose is meant by his number (id -u NAME): match = "_UID=1000"`)
	case len(src.Matches) > 0 && len(src.Units) == 0:
		field, _, _ := strings.Cut(src.Matches[0], "=")
		s.l.problem(s.at("match"), s.key("match"), fmt.Sprintf("every user of this machine may write entries with any %s, and have anybody banned", field),
			fmt.Sprintf(`add who the writer is, which journald itself notes, such as match = [%q, "_UID=0"], or name its unit`, src.Matches[0]))
	}
}
