package setup

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/p2pban/p2pban/internal/config"
	"github.com/p2pban/p2pban/internal/journaltest"
)

func namesOf(found []Found) []string {
	var out []string
	for _, f := range found {
		out = append(out, f.Name)
	}
	return out
}

// compare checks what of a look goes unwatched by the sources, and which of
// these see no node.
func compare(t *testing.T, r *Report, watched []config.Source, unwatched, idle []string) {
	t.Helper()
	for i := range watched {
		if watched[i].Name == "" {
			watched[i].Name = "a"
		}
	}
	c := r.Compare(t.Context(), watched)
	if d := cmp.Diff(unwatched, namesOf(c.Unwatched)); d != "" {
		t.Errorf("%+v leave unwatched (-want +got):\n%s", watched, d)
	}
	if d := cmp.Diff(idle, c.Idle); d != "" {
		t.Errorf("%+v are idle (-want +got):\n%s", watched, d)
	}
}

func TestCompareFiles(t *testing.T) {
	dir := tree(t, map[string]string{
		"kubo/[1].log":                         canonical + "\n",
		"lotus/node.log":                       junk + "\n",
		"pods/ipfs_kubo-0_11/kubo/0.log":       "2026-11-20T11:17:20.000000001Z stderr F " + canonical + "\n",
		"docker/containers/aa/aa-json.log":     `{"log":"` + canonical + `\n","stream":"stderr","time":"2026-11-20T11:17:20.000000001Z"}` + "\n",
		"docker/containers/aa/config.v2.json":  `{"Name":"/node-1","Config":{"Image":"ipfs/kubo"}}`,
		"docker/containers/aa/hostconfig.json": `{}`,
		"other/web.log":                        junk + "\n",
	})
	kubo, lotus := filepath.Join(dir, "kubo/[1].log"), filepath.Join(dir, "lotus/node.log")
	must(t, os.Symlink(filepath.Join(dir, "kubo"), filepath.Join(dir, "link")))
	files := look(t, filepath.Join(dir, "kubo"), lotus)
	compare(t, files, nil, []string{kubo, lotus}, nil)
	compare(t, files, []config.Source{{Files: []string{kubo, filepath.Join(dir, "*/node.log")}}}, nil, nil)
	compare(t, files, []config.Source{{Files: []string{filepath.Join(dir, "link/*.log")}}}, []string{lotus}, nil)
	compare(t, files, []config.Source{{Files: []string{filepath.Join(dir, "other/*.log")}}, {Name: "b", Files: []string{lotus}}}, []string{kubo}, []string{"a"})
	compare(t, files, []config.Source{{Units: []string{"ipfs.service"}}}, []string{kubo, lotus}, []string{"a"})

	containers := look(t, filepath.Join(dir, "pods"), filepath.Join(dir, "docker"))
	compare(t, containers, []config.Source{{Files: []string{filepath.Join(dir, "docker/containers/*/*-json.log")}}}, []string{"ipfs/kubo-0/kubo"}, nil)
	compare(t, containers, []config.Source{{Files: []string{filepath.Join(dir, "pods/*/kubo/*.log")}}}, []string{"node-1"}, nil)
	compare(t, containers, []config.Source{{Containers: []string{"nobody"}}}, []string{"ipfs/kubo-0/kubo", "node-1"}, []string{"a"})
}

func TestCompareJournal(t *testing.T) {
	dir := t.TempDir()
	at := time.Now().Add(-time.Hour)
	entry := func(fields ...string) journaltest.Entry {
		at = at.Add(time.Second)
		return journaltest.Entry{Time: at, Fields: append(fields, "MESSAGE="+canonical)}
	}
	journaltest.WriteFile(t, dir, "a", []journaltest.Entry{
		entry("_SYSTEMD_UNIT=ipfs.service", "SYSLOG_IDENTIFIER=ipfs"),
		entry("_SYSTEMD_UNIT=user@1.service", "_SYSTEMD_USER_UNIT=lotus.service", "_UID=1"),
	})
	r := look(t, dir)
	const ipfs, lotus = "ipfs.service", "lotus.service"
	for _, test := range []struct {
		source    config.Source
		unwatched []string
	}{
		{config.Source{Units: []string{"ipfs"}}, []string{lotus}},
		{config.Source{UserUnits: []string{lotus}}, []string{ipfs}},
		{config.Source{UserUnits: []string{lotus}, Matches: []string{"_UID=1"}}, []string{ipfs}},
		{config.Source{UserUnits: []string{lotus}, Matches: []string{"_UID=2"}}, []string{ipfs, lotus}},
		{config.Source{Units: []string{ipfs}, UserUnits: []string{lotus}}, nil},
		{config.Source{Units: []string{lotus}}, []string{ipfs, lotus}},
		{config.Source{Matches: []string{"SYSLOG_IDENTIFIER=ipfs"}}, []string{lotus}},
		{config.Source{Matches: []string{"_SYSTEMD_UNIT=ipfs.service"}}, []string{lotus}},
		{config.Source{Matches: []string{"_SYSTEMD_UNIT=other.service"}}, []string{ipfs, lotus}},
		{config.Source{Units: []string{ipfs}, Matches: []string{"SYSLOG_IDENTIFIER=other"}}, []string{ipfs, lotus}},
	} {
		var idle []string
		if len(test.unwatched) == 2 {
			idle = []string{"a"}
		}
		test.source.Directory = dir + "/"
		compare(t, r, []config.Source{test.source}, test.unwatched, idle)
	}
	// Another journal is not this one.
	compare(t, r, []config.Source{{Units: []string{ipfs}}}, []string{ipfs, lotus}, []string{"a"})
}

// A container that logs to the journal is read by its name, or with all others.
func TestCompareContainerInJournal(t *testing.T) {
	dir := t.TempDir()
	journaltest.WriteFile(t, dir, "a", []journaltest.Entry{{Time: time.Now().Add(-time.Hour),
		Fields: []string{"_SYSTEMD_UNIT=docker.service", "CONTAINER_NAME=kubo", "MESSAGE=" + junk}}})
	r := &Report{Found: []Found{{Kind: KindContainer, Name: "kubo", Directory: dir, Source: "kubo", UID: "0"}}}
	for want, s := range map[string]config.Source{
		"its name":          {Matches: []string{"CONTAINER_NAME=kubo"}},
		"what setup writes": {Matches: []string{"CONTAINER_NAME=kubo", "_UID=0"}},
		"Docker's unit":     {Units: []string{"docker"}},
		"not another's":     {Matches: []string{"CONTAINER_NAME=web"}},
		"not another unit":  {Units: []string{"ipfs"}},
		"not a user's unit": {UserUnits: []string{"docker"}},
	} {
		s.Directory = dir
		c := r.Compare(t.Context(), []config.Source{s})
		if read := len(c.Watched) == 1; read == strings.HasPrefix(want, "not") {
			t.Errorf("%s: %+v", want, c)
		}
	}
}

// Lines that a syslog daemon copies into a file which is read are not unwatched
// in the journal.
func TestCompareSyslog(t *testing.T) {
	dir := tree(t, map[string]string{"syslog": junk})
	r := reading{files: infos([]string{filepath.Join(dir, "syslog")})}
	if r.syslog([]string{filepath.Join(dir, "messages")}) || !r.syslog([]string{filepath.Join(dir, "syslog")}) {
		t.Error("a file of the syslog daemon is not told from others")
	}
}

func TestAdvise(t *testing.T) {
	c := Comparison{Idle: []string{"empty", "quiet"}, Unwatched: []Found{
		{Kind: KindUnit, Name: "ipfs.service", Source: "ipfs", Program: "kubo", Records: 2, Lines: 3},
		{Kind: KindFile, Name: "/var/log/a\x1b[2J.log", Files: []string{"/var/log/a\x1b[2J.log"}, Source: "a", Program: "kubo", Records: 1, Lines: 1},
	}}
	advice := (&Report{}).Advise(c, func(source string) bool { return source == "quiet" })
	var all []string
	for _, a := range advice {
		if !a.Risky || a.Fix == "" {
			t.Errorf("no warning with a cure: %+v", a)
		}
		all = append(all, a.What+"\n"+a.Fix)
	}
	text := strings.Join(all, "\n")
	for _, want := range []string{
		"no source reads the unit ipfs.service: kubo", "[source.ipfs]\nunit = \"ipfs.service\"\n", `file "/var/log/a\x1b[2J.log"`,
		"source empty reads no log", "is one of these meant? unit ipfs.service, file",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the advice lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "quiet") || strings.Contains(text, "\x1b") {
		t.Errorf("the advice doubts what works, or writes control characters:\n%s", text)
	}

	// Nothing to advise says how much was seen.
	r := &Report{Unseen: []Unseen{{"the systemd journal", "no right"}}}
	if a := r.Advise(Comparison{}, nil); len(a) != 1 || a[0].Risky || !strings.Contains(a[0].What, "the systemd journal: no right") {
		t.Errorf("%+v", a)
	}
}
