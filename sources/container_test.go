package sources

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// dockerDir makes the directory of a container as dockerd does, and returns the
// path of its log.
func dockerDir(t *testing.T, root, id, name, driver string, labels map[string]string) string {
	t.Helper()
	dir := filepath.Join(root, "containers", id)
	must(t, os.MkdirAll(dir, 0o755))
	log := id + "-json.log"
	config := map[string]any{
		"ID": id, "Name": "/" + name, "LogPath": filepath.Join("/var/lib/docker/containers", id, log),
		"Config": map[string]any{"Labels": labels, "Env": []string{"A=b"}},
	}
	host := map[string]any{"LogConfig": map[string]any{"Type": driver, "Config": map[string]string{}}}
	for file, v := range map[string]any{"hostconfig.json": host, "config.v2.json": config} {
		text, err := json.Marshal(v)
		must(t, err)
		// Like dockerd: the file is there whole, or not at all.
		must(t, os.WriteFile(filepath.Join(dir, file+".tmp"), text, 0o644))
		must(t, os.Rename(filepath.Join(dir, file+".tmp"), filepath.Join(dir, file)))
	}
	return filepath.Join(dir, log)
}

var containerTime = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)

// dockerLine is a line as Docker's json-file driver writes it.
func dockerLine(stream, text string) string {
	quoted, _ := json.Marshal(text)
	return fmt.Sprintf(`{"log":%s,"stream":"%s","time":"%s"}`+"\n", quoted, stream, containerTime.Format(time.RFC3339Nano))
}

// criLine is a line as containerd and CRI-O write it.
func criLine(stream, tag, text string) string {
	return fmt.Sprintf("%s %s %s %s\n", containerTime.Format(time.RFC3339Nano), stream, tag, text)
}

func followContainer(t *testing.T, o ContainerOptions) *follower {
	t.Helper()
	src, err := NewContainer(o)
	must(t, err)
	return run(t, src)
}

// wantCut is want where lines that are to be Cut begin with "├" if they are the
// Head of a line, and else with "✂".
func (f *follower) wantCut(texts ...string) {
	f.t.Helper()
	for len(f.lines) < len(texts) {
		f.next()
	}
	for i, l := range f.lines {
		if l.Cut {
			f.lines[i].Text = "✂" + l.Text
		}
		if l.Head {
			f.lines[i].Text = "├" + l.Text
		}
	}
	f.want(texts...)
}

func TestDocker(t *testing.T) {
	root := t.TempDir()
	log := dockerDir(t, root, "c1", "kubo", "json-file", map[string]string{"app": "ipfs", "tier": "1"})
	other := dockerDir(t, root, "c2", "nginx", "json-file", map[string]string{"app": "web"})
	byName := followContainer(t, ContainerOptions{Containers: []string{"kubo"}, DockerRoot: root})
	byLabel := followContainer(t, ContainerOptions{Labels: []string{"app=ipfs", "tier"}, DockerRoot: root})
	if s := byName.src.String(); s != "container kubo" {
		t.Errorf("source is called %q", s)
	}
	appendTo(t, other, dockerLine("stdout", "not ours\n"))
	appendTo(t, log, dockerLine("stderr", "one\n")+dockerLine("stdout", "two\r\n"))
	for _, f := range []*follower{byName, byLabel} {
		for len(f.lines) < 2 {
			f.next()
		}
		if at := f.lines[0].Time; !at.Equal(containerTime) {
			t.Errorf("time %v", at)
		}
		f.want("one", "two")
	}
	// The daemon rotates.
	must(t, os.Rename(log, log+".1"))
	appendTo(t, log, dockerLine("stderr", "three\n"))
	byName.want("three")
	byLabel.want("three")
	// The container is made anew, under another id.
	must(t, os.RemoveAll(filepath.Dir(log)))
	log = dockerDir(t, root, "c3", "kubo", "json-file", nil)
	appendTo(t, log, dockerLine("stderr", "four\n"))
	byName.want("four")
	if s := byName.src.Stats(); len(s.Problems) > 0 || !slices.Contains(s.Following, log) {
		t.Errorf("stats: %+v", s)
	}
}

// What the runtime split is no evidence in any of its parts, also when the rest
// comes after a rotation or a restart.
func TestDockerSplitLines(t *testing.T) {
	root := t.TempDir()
	log := dockerDir(t, root, "c1", "kubo", "json-file", nil)
	appendTo(t, log, "")
	o := ContainerOptions{Containers: []string{"kubo"}, DockerRoot: root}
	f := followContainer(t, o)
	appendTo(t, log, dockerLine("stderr", "begun ")+dockerLine("stdout", "whole\n")+dockerLine("stderr", "goes on ")+dockerLine("stderr", "forged\n")+dockerLine("stderr", "whole\n"))
	f.wantCut("├begun ", "whole", "✂goes on ", "✂forged", "whole")
	appendTo(t, log, dockerLine("stderr", "begun "))
	f.wantCut("├begun ")
	must(t, os.Rename(log, log+".1"))
	appendTo(t, log, dockerLine("stderr", "forged\n")+dockerLine("stderr", "begun again "))
	f.wantCut("✂forged", "├begun again ")
	f.stop()
	o.Cursor = f.cursor
	appendTo(t, log, dockerLine("stderr", "forged\n")+dockerLine("stderr", "whole\n"))
	f = followContainer(t, o)
	f.wantCut("✂forged", "whole")
	// What is no frame is shown, and not believed; what follows may belong to it.
	appendTo(t, log, "\x00\x00garbage\n"+dockerLine("stderr", "rest\n")+dockerLine("stdout", "rest\n")+dockerLine("stderr", "whole\n"))
	f.wantCut("✂\x00\x00garbage", "✂rest", "✂rest", "whole")
	huge := strings.Repeat("y", MaxLineBytes)
	appendTo(t, log, dockerLine("stderr", huge+"\n")+dockerLine("stderr", "rest\n")+dockerLine("stderr", "whole\n"))
	f.wantCut("├"+dockerLine("stderr", huge)[:MaxLineBytes], "✂rest", "whole")
	appendTo(t, log, dockerLine("stdout", "rest\n"))
	f.wantCut("✂rest")
	// Docker's longest part is kept, however its bytes are escaped: it may begin
	// with what the node says of a stranger.
	longest := strings.Repeat("<", 16<<10)
	appendTo(t, log, dockerLine("stderr", longest)+dockerLine("stdout", "whole\n")+dockerLine("stderr", "rest\n"))
	f.wantCut("├"+longest, "whole", "✂rest")
}

// TestContainerMadeAnew reads a container that was made anew from its first line,
// also where its log was rotated before anybody looked: while we were down, or
// between two looks.
func TestContainerMadeAnew(t *testing.T) {
	for _, down := range []bool{true, false} {
		t.Run(fmt.Sprintf("down %v", down), func(t *testing.T) {
			root := t.TempDir()
			o := ContainerOptions{Containers: []string{"kubo"}, DockerRoot: root, PodLogs: filepath.Join(root, "none")}
			old := dockerDir(t, root, "c1", "kubo", "json-file", nil)
			appendTo(t, old, dockerLine("stderr", "before us\n"))
			appendTo(t, old+".1", dockerLine("stderr", "long before us\n"))
			f := followContainer(t, o)
			appendTo(t, old, dockerLine("stderr", "one\n"))
			f.want("one")
			if down {
				f.kill()
				o.Cursor = f.cursor
			}
			must(t, os.RemoveAll(filepath.Dir(old)))
			// Made where nobody looks, to be there at once.
			log := dockerDir(t, filepath.Join(root, "aside"), "c2", "kubo", "json-file", nil)
			appendTo(t, log+".2", dockerLine("stderr", "two\n"))
			gz(t, log+".2")
			appendTo(t, log+".1", dockerLine("stderr", "three\n"))
			appendTo(t, log, dockerLine("stderr", "four\n"))
			must(t, os.Rename(filepath.Dir(log), filepath.Join(root, "containers", "c2")))
			if down {
				f = followContainer(t, o)
			}
			f.want("two", "three", "four")
		})
	}
}

// TestDockerFilesOfRoot says what to do where only root may look.
func TestDockerFilesOfRoot(t *testing.T) {
	if !unprivileged(t) {
		return
	}
	root := t.TempDir()
	must(t, os.Mkdir(filepath.Join(root, "containers"), 0))
	_, err := FindContainers(ContainerOptions{Containers: []string{"kubo"}, DockerRoot: root, PodLogs: filepath.Join(root, "none")})
	if !errors.Is(err, os.ErrPermission) || !strings.Contains(err.Error(), "root.conf") || !strings.Contains(err.Error(), "journald") {
		t.Errorf("%v; want what kept us out, and both ways in", err)
	}
}

// TestContainerRemoved tells a container that was removed as missing, and not
// after the hour for which a deleted file may still be written to.
func TestContainerRemoved(t *testing.T) {
	root := t.TempDir()
	log := dockerDir(t, root, "c1", "kubo", "json-file", nil)
	appendTo(t, log, "")
	src, err := NewContainer(ContainerOptions{Containers: []string{"kubo"}, DockerRoot: root, PodLogs: filepath.Join(root, "none")})
	must(t, err)
	if src.deleted > time.Minute {
		t.Errorf("it is told only after %v", src.deleted)
	}
	src.deleted = time.Millisecond
	f := run(t, src)
	appendTo(t, log, dockerLine("stderr", "one\n"))
	f.want("one")
	must(t, os.RemoveAll(filepath.Dir(log)))
	waitFor(t, "the container to be told as missing", func() bool {
		s := src.Stats()
		return len(s.Following) == 0 && slices.Equal(s.Waiting, []string{"kubo"})
	})
}

// A whole file of a container is read as what the container wrote.
func TestReadFileOfContainer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c1-json.log")
	appendTo(t, path, dockerLine("stderr", "one\n")+dockerLine("stderr", "begun ")+dockerLine("stderr", "rest\n"))
	lines, err := collect(t, ReadFile(path))
	must(t, err)
	want := []Line{{Text: "one", Time: containerTime}, {Text: "begun ", Time: containerTime, Cut: true, Head: true}, {Text: "rest", Time: containerTime, Cut: true}}
	if !slices.Equal(lines, want) {
		t.Errorf("got %+v", lines)
	}
}

func TestCRI(t *testing.T) {
	pods := t.TempDir()
	dir := filepath.Join(pods, "default_kubo-0_0ab1", "kubo")
	must(t, os.MkdirAll(dir, 0o755))
	appendTo(t, filepath.Join(dir, "0.log"), "")
	f := followContainer(t, ContainerOptions{Containers: []string{"kubo"}, DockerRoot: t.TempDir(), PodLogs: pods})
	appendTo(t, filepath.Join(dir, "0.log"), criLine("stderr", "F", "one  two ")+criLine("stderr", "P", "begun")+
		criLine("stdout", "F", "whole")+criLine("stderr", "F", "forged")+criLine("stderr", "F:x", ""))
	f.wantCut("one  two ", "├begun", "whole", "✂forged", "")
	// The kubelet rotates; the container is started again; so is the pod.
	must(t, os.Rename(filepath.Join(dir, "0.log"), filepath.Join(dir, "0.log.20260102-030405")))
	appendTo(t, filepath.Join(dir, "0.log"), criLine("stderr", "F", "two"))
	f.wantCut("two")
	appendTo(t, filepath.Join(dir, "1.log"), criLine("stderr", "F", "three"))
	f.wantCut("three")
	for pod, line := range map[string]string{"default_kubo-0_0cd2": "four", "default_other-0_0ef3": "five"} {
		must(t, os.MkdirAll(filepath.Join(pods, pod, "kubo"), 0o755))
		appendTo(t, filepath.Join(pods, pod, "kubo", "0.log"), criLine("stderr", "F", line))
		f.wantCut(line)
	}
	only := followContainer(t, ContainerOptions{Containers: []string{"kubo-*/kubo"}, DockerRoot: t.TempDir(), PodLogs: pods, FromStart: true})
	only.wantCut("two", "three", "four")
}

// Of a pod's labels only those in the path are known; a source that asks for
// others is told so, and does not wait for ever.
func TestPodLabels(t *testing.T) {
	pods, nowhere := t.TempDir(), filepath.Join(t.TempDir(), "nowhere")
	for dir, line := range map[string]string{"ipfs_kubo-0_0ab1/kubo": "one", "ipfs_kubo-0_0ab1/helper": "two", "web_kubo-0_0cd2/kubo": "three"} {
		must(t, os.MkdirAll(filepath.Join(pods, dir), 0o755))
		appendTo(t, filepath.Join(pods, dir, "0.log"), criLine("stderr", "F", line))
	}
	for _, test := range []struct {
		labels, names []string
		want          string
	}{
		{labels: []string{"io.kubernetes.pod.namespace=ipfs", "io.kubernetes.container.name=kubo"}, want: "one"},
		{labels: []string{"io.kubernetes.pod.namespace=ipfs", "io.kubernetes.pod.name"}, names: []string{"h*"}, want: "two"},
		{labels: []string{"io.kubernetes.pod.uid=0cd2"}, names: []string{"kubo-0/kubo"}, want: "three"},
	} {
		f := followContainer(t, ContainerOptions{Containers: test.names, Labels: test.labels, DockerRoot: nowhere, PodLogs: pods, FromStart: true})
		f.wantCut(test.want)
		if s := f.src.Stats(); len(s.Following) != 1 {
			t.Errorf("%v %v follow %v", test.names, test.labels, s.Following)
		}
	}
	docker := t.TempDir()
	dockerDir(t, docker, "c1", "kubo", "json-file", nil)
	for _, o := range []ContainerOptions{
		{Labels: []string{"io.kubernetes.pod.uid", "app=ipfs"}, DockerRoot: nowhere, PodLogs: pods},
		{Labels: []string{"app"}, Containers: []string{"kubo-0/kubo"}, DockerRoot: docker, PodLogs: pods},
	} {
		if _, err := NewContainer(o); err == nil || !strings.Contains(err.Error(), `label "app`) || !strings.Contains(err.Error(), PodLabels[0]) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	// Where there is Docker, or neither yet, it may be Docker's label.
	for _, o := range []ContainerOptions{{DockerRoot: docker, PodLogs: pods}, {DockerRoot: nowhere, PodLogs: nowhere}} {
		o.Labels = []string{"app=ipfs"}
		if _, err := NewContainer(o); err != nil {
			t.Error(err)
		}
	}
}

func TestContainerTroubles(t *testing.T) {
	root := t.TempDir()
	for driver, want := range map[string]string{"journald": `match = ["CONTAINER_NAME=a-journald", "_UID=0"]`, "local": `"local"`} {
		dockerDir(t, root, "id-"+driver, "a-"+driver, driver, nil)
		if _, err := NewContainer(ContainerOptions{Containers: []string{"a-" + driver}, DockerRoot: root}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", driver, err)
		}
	}
	if _, err := NewContainer(ContainerOptions{}); err == nil {
		t.Error("no container is accepted")
	}
	if _, err := NewContainer(ContainerOptions{Containers: []string{"[a"}, DockerRoot: root}); err == nil {
		t.Error("a malformed pattern is accepted")
	}
	// A neighbour whose files are damaged is told and no more.
	must(t, os.MkdirAll(filepath.Join(root, "containers", "broken"), 0o755))
	must(t, os.WriteFile(filepath.Join(root, "containers", "broken", "config.v2.json"), []byte("{"), 0o644))
	f := followContainer(t, ContainerOptions{Containers: []string{"kubo"}, DockerRoot: root})
	if s := f.src.Stats(); len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "broken") || !slices.Equal(s.Waiting, []string{"kubo"}) {
		t.Errorf("stats: %+v", s)
	}
	log := dockerDir(t, root, "c1", "kubo", "json-file", nil)
	appendTo(t, log, dockerLine("stderr", "one\n"))
	f.want("one")
}
