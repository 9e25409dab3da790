package jail

// slab hands out numbered places for values that never move. Place 0 is none.
type slab[T any] struct {
	chunks []*[slabChunk]T
	used   uint32 // handed out so far, counting the unused place 0
	free   []uint32
}

const (
	slabBits  = 8
	slabChunk = 1 << slabBits
)

func (s *slab[T]) get(id uint32) *T { return &s.chunks[id>>slabBits][id&(slabChunk-1)] }

// take gives a place. Its value is the last one that stood there, at first the
// zero one.
func (s *slab[T]) take() uint32 {
	if n := len(s.free); n > 0 {
		id := s.free[n-1]
		s.free = s.free[:n-1]
		return id
	}
	s.used = max(s.used, 1)
	id := s.used
	s.used++
	if int(id>>slabBits) == len(s.chunks) {
		s.chunks = append(s.chunks, new([slabChunk]T))
	}
	return id
}

func (s *slab[T]) drop(id uint32) { s.free = append(s.free, id) }
