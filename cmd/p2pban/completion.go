package main

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const completionLong = `Write the script with which a shell completes commands, flags and names of jails.
The packages install it; with another installation put it where your shell
looks for it.`

// completions write the script of each shell.
var completions = map[string]func(*cobra.Command, io.Writer) error{
	"bash": func(root *cobra.Command, w io.Writer) error { return root.GenBashCompletionV2(w, true) },
	"fish": func(root *cobra.Command, w io.Writer) error { return root.GenFishCompletion(w, true) },
	"zsh":  func(root *cobra.Command, w io.Writer) error { return root.GenZshCompletion(w) },
}

// newCompletion takes the place of cobra's own command, which answers a shell
// it does not know with its help and success.
func newCompletion() *cobra.Command {
	shells := slices.Sorted(maps.Keys(completions))
	return &cobra.Command{
		Use:   "completion " + strings.Join(shells, "|"),
		Short: "Write the completion script of a shell",
		Long:  completionLong,
		Example: `  p2pban completion bash >/etc/bash_completion.d/p2pban
  p2pban completion fish >~/.config/fish/completions/p2pban.fish
  p2pban completion zsh >"${fpath[1]}/_p2pban"`,
		Args:      cobra.ExactArgs(1),
		ValidArgs: shells,
		RunE: func(c *cobra.Command, args []string) error {
			write := completions[args[0]]
			if write == nil {
				return usagef("completion: there is none for %q; there are: %s", args[0], strings.Join(shells, ", "))
			}
			return write(c.Root(), c.OutOrStdout())
		},
	}
}
