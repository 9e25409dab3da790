package sources_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/p2pban/p2pban/sources"
)

// A log that is there, plain or packed with gzip, is read whole.
func ExampleReadLog() {
	stream := strings.NewReader("one\ntwo\n")
	for batch, err := range sources.ReadLog("standard input", stream) {
		if err != nil {
			log.Fatal(err)
		}
		for line := range batch.All() {
			fmt.Println(line.Text)
		}
	}
	// Output:
	// one
	// two
}

// A log that is still written to is followed, here through a rotation. Each
// batch is released once its lines have been used, and its Cursor is what to
// keep to go on from there after a restart.
func ExampleFile() {
	dir, err := os.MkdirTemp("", "sources")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "node.log")
	write(path, "before\n")

	file, err := sources.NewFile(sources.FileOptions{Name: "node", Patterns: []string{path}, FromStart: true})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	batches := make(chan sources.Batch)
	ended := make(chan error)
	go func() { ended <- file.Run(ctx, batches) }()

	for lines := 0; lines < 2; {
		batch := <-batches
		for line := range batch.All() {
			fmt.Println(line.Text)
			if lines++; lines == 1 {
				if err := os.Rename(path, path+".1"); err != nil {
					log.Fatal(err)
				}
				write(path, "after the rotation\n")
			}
		}
		batch.Release()
	}
	stop()
	fmt.Println(<-ended)
	// Output:
	// before
	// after the rotation
	// context canceled
}

func write(path, text string) {
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		log.Fatal(err)
	}
}
