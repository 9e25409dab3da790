package jail

// buckets are where the chains of a hash table begin. They grow by one at a
// time (linear hashing), so that no single event pays for the growth of the
// table.
type buckets[T ~uint32] struct {
	chunks []*[bucketChunk]T
	n      uint64 // in use
	pow    uint64 // the largest power of two that is at most n
}

const (
	bucketBits  = 10
	bucketChunk = 1 << bucketBits
)

func newBuckets[T ~uint32]() buckets[T] {
	return buckets[T]{chunks: []*[bucketChunk]T{new([bucketChunk]T)}, n: 1, pow: 1}
}

// of is where a hash's chain starts.
func (b *buckets[T]) of(hash uint64) *T {
	i := hash & (2*b.pow - 1)
	if i >= b.n {
		i &= b.pow - 1
	}
	return b.at(i)
}

func (b *buckets[T]) at(i uint64) *T { return &b.chunks[i>>bucketBits][i&(bucketChunk-1)] }

// splits gives the bucket whose chain is to be shared out when n more than one
// buckets have been added.
func (b *buckets[T]) splits(n uint64) *T {
	n += b.n
	pow := b.pow
	if n >= 2*pow {
		pow *= 2
	}
	return b.at(n - pow)
}

// grow adds a bucket and gives the one whose chain is to be shared out.
func (b *buckets[T]) grow() *T {
	from := b.splits(0)
	if int(b.n>>bucketBits) == len(b.chunks) {
		b.chunks = append(b.chunks, new([bucketChunk]T))
	}
	if b.n++; b.n == 2*b.pow {
		b.pow = b.n
	}
	return from
}
