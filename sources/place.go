package sources

import "slices"

// place is where reading stopped: the content to look for.
type place struct {
	id          fileID
	first, tail string
	at          int64
}

// fits says whether the plain file behind g holds what was read before p.at.
func (p place) fits(g *generation) bool {
	if p.at == 0 {
		return g.id == p.id
	}
	if p.first != "" && firstLine(g.fd) != p.first {
		return false
	}
	tail := tailBefore(g.fd, p.at)
	return tail != "" && tail == p.tail
}

// tailBefore returns the fingerprint of the last bytes before offset at; "" if
// the file does not reach that far.
func tailBefore(fd int, at int64) string {
	before := make([]byte, min(at, recentBytes))
	n, err := pread(fd, before, at-int64(len(before)))
	if err != nil || n < len(before) {
		return ""
	}
	return fingerprint(before)
}

// open opens a rotated file behind the place if it is the one meant.
func (p place) open(file rotated, byID bool) *generation {
	if file.packed {
		return p.openPacked(file.path)
	}
	return p.openPlain(file.path, byID)
}

// openPlain opens a rotated file if it is the one meant: by inode and content,
// or (copied, restored) by content alone.
func (p place) openPlain(path string, byID bool) *generation {
	g, err := openGeneration(path)
	if err != nil {
		return nil
	}
	if (byID && g.id.ino != p.id.ino) || (!byID && p.at == 0) || !p.fits(g) || g.startAt(p.at) != nil {
		g.close()
		return nil
	}
	return g
}

// openPacked opens a compressed file behind p.at if it holds what was read
// before.
func (p place) openPacked(path string) *generation {
	if p.at == 0 {
		return nil
	}
	g, err := openArchive(path)
	if err != nil {
		return nil
	}
	if g.mark().First != p.first && p.first != "" || g.skipTo(p) != nil {
		g.close()
		return nil
	}
	return g
}

// findID opens the last of files that has the inode and the content.
func (p place) findID(files []rotated) (int, *generation) {
	for i, file := range slices.Backward(files) {
		if file.packed {
			continue
		}
		if g := p.openPlain(file.path, true); g != nil {
			return i, g
		}
	}
	return -1, nil
}

// find opens the first of files, old to new, that has the content; those before from
// come last.
func (p place) find(files []rotated, from int) (int, *generation) {
	for n := range files {
		i := (from + n) % len(files)
		if g := p.open(files[i], false); g != nil {
			return i, g
		}
	}
	return -1, nil
}
