package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// kubo is the victim "kubo": it takes the flags of every victim, behind the
// path of the ipfs program, and runs a fresh repository of Kubo's with them: no
// bootstrap peers and no routing, for nobody else is there.
func kubo(ctx context.Context, args []string, stdout io.Writer) error {
	fs := flag.NewFlagSet("kubo", flag.ContinueOnError)
	var listen []string
	fs.Func("listen", "multiaddr to listen on", func(s string) error { listen = append(listen, s); return nil })
	rcmgr := fs.String("rcmgr", "on", "resource manager: on, as shipped, or off")
	relay := fs.String("relay", "", "use this relay, a multiaddr with /p2p/ID")
	if len(args) == 0 {
		return errors.New("kubo wants the path of ipfs first")
	}
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	repo, err := os.MkdirTemp("", "kubo")
	if err != nil {
		return err
	}
	defer os.RemoveAll(repo)
	n := kuboNode{ctx: ctx, ipfs: args[0], repo: repo}
	if err := n.configure(listen, *rcmgr, *relay); err != nil {
		return err
	}
	return n.run(listen, stdout)
}

// kuboAPI is where Kubo serves its API unless told otherwise.
const kuboAPI = "127.0.0.1:5001"

// kuboNode is a repository, and the ipfs that serves it.
type kuboNode struct {
	ctx        context.Context
	ipfs, repo string
}

func (n kuboNode) command(args ...string) *exec.Cmd {
	cmd := exec.Command(n.ipfs, args...)
	cmd.Env = append(os.Environ(), "IPFS_PATH="+n.repo, "IPFS_TELEMETRY=off")
	// It must not outlive what stands for it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (n kuboNode) configure(listen []string, rcmgr, relay string) error {
	if out, err := n.command("init").CombinedOutput(); err != nil {
		return fmt.Errorf("ipfs init: %w\n%s", err, out)
	}
	settings := map[string]any{
		"Addresses.Swarm":           listen,
		"Addresses.Gateway":         []string{},
		"Bootstrap":                 []string{},
		"Routing.Type":              "none",
		"AutoConf.Enabled":          false,
		"Discovery.MDNS.Enabled":    false,
		"Swarm.ResourceMgr.Enabled": rcmgr == "on",
		"Swarm.DisableNatPortMap":   true,
	}
	if relay != "" {
		settings["Swarm.RelayClient.Enabled"] = true
		settings["Swarm.RelayClient.StaticRelays"] = []string{relay}
		settings["Internal.Libp2pForceReachability"] = "private"
	}
	for key, value := range settings {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if out, err := n.command("config", "--json", key, string(text)).CombinedOutput(); err != nil {
			return fmt.Errorf("ipfs config %s: %w\n%s", key, err, out)
		}
	}
	return nil
}

// run runs the daemon until ctx ends; its log goes to stderr, what else it says
// nowhere.
func (n kuboNode) run(listen []string, stdout io.Writer) error {
	daemon := n.command("daemon", "--migrate=true")
	daemon.Stderr = os.Stderr
	if err := daemon.Start(); err != nil {
		return err
	}
	if err := n.hello(listen, stdout); err != nil {
		_ = daemon.Process.Kill() // nobody waits for it any more
		return errors.Join(err, daemon.Wait())
	}
	<-n.ctx.Done()
	_ = daemon.Process.Signal(syscall.SIGTERM) // it has ended by itself, or this ends it
	_ = daemon.Wait()                          // as it was told to: how does not matter
	return nil
}

// hello waits until the node answers on its API, and says who it is. The ipfs
// program would not do to ask: where no daemon answers yet it opens the
// repository itself, and the daemon finds it locked.
func (n kuboNode) hello(listen []string, stdout io.Writer) error {
	var id struct{ ID, AgentVersion string }
	for {
		answer, err := http.Post("http://"+kuboAPI+"/api/v0/id", "", nil)
		if err == nil {
			err = json.NewDecoder(answer.Body).Decode(&id)
			answer.Body.Close()
		}
		if err == nil && id.ID != "" {
			break
		}
		select {
		case <-n.ctx.Done():
			return n.ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	var addrs []string
	for _, a := range listen {
		addrs = append(addrs, a+"/p2p/"+id.ID)
	}
	return json.NewEncoder(stdout).Encode(map[string]any{
		"peer": id.ID, "addrs": addrs, "version": strings.TrimSuffix(id.AgentVersion, "/"),
	})
}
